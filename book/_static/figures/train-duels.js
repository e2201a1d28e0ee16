// The ready-made duels of the page that trains: what differs between the lanes, what is asked, and which option a run
// bears out: outcome(results) gives its place, where a result is a lane's {left (step or null), accuracy, loss, lost}.
// says(result) is what it goes by, in words. inTorch: the step at which the recorded runs of torch are judged.
"use strict";

figures.trainingDuels = [
  {
    name: "Why does it not start?",
    seed: 0, steps: 500, inTorch: 500,
    lanes: [{init: "xavier"}, {init: "kaiming"}],
    setting: "Lane A has the section's start: Xavier's weights and torch's own biases. Lane B has Kaiming's " +
      "weights and no biases. All else is the same, and the logits come after a ReLU.",
    question: "Which loss leaves the line at ln 10 first, within 500 steps?",
    options: [
      {text: "Lane A, Xavier.", argued: "Xavier's weights keep the size of a signal where layers are linear. Each " +
        "ReLU halves its mean square, so over eleven ReLUs little of the garment arrives at the class maps of this " +
        "network, and torch's biases, the same for all garments, drown it. The logits hardly differ between " +
        "garments, and so the gradient can say little about them. A should not be first."},
      {text: "Lane B, Kaiming.", argued: "Kaiming's weights are larger by what a ReLU takes away, so the logits " +
        "differ from garment to garment at the first step. With no biases the sign of a class map is decided by " +
        "the garment, not by a constant, and fewer maps are dead at the start: compare the two lanes at step 0."},
      {text: "Both by the same hundred steps.", argued: "Data, order and learning rate are the same, so one could " +
        "expect the same course. But how fast a loss falls at the start depends on how far the logits differ " +
        "between garments, and that is what the initialisation sets."},
      {text: "Neither.", argued: "This would be so if the network or the learning rate were unfit. A loss that " +
        "stands at ln 10 is no proof of that: it says that the ten logits are equal, not that they must stay so."},
    ],
    says: ({left}) => left === null ? "has not left ln 10" : `left ln 10 by step ${left}`,
    outcome: ([a, b]) => {
      if (a.left === null && b.left === null) return 3;
      if (a.left !== null && b.left !== null && Math.abs(a.left - b.left) <= 100) return 2;
      return b.left === null || a.left !== null && a.left < b.left ? 0 : 1;
    },
  },
  {
    name: "One ReLU too many",
    seed: 11, steps: 1000, inTorch: 1500,
    lanes: [{init: "xavier"}, {init: "xavier", linear: true}],
    setting: "Both lanes have the section's start, with the same Xavier weights and torch biases. In lane A the " +
      "class maps end in a ReLU, as in the section; in lane B they do not.",
    question: "After 1,000 steps, which lane leaves more classes unanswered?",
    options: [
      {text: "Lane A, with the ReLU.", argued: "Where a class's map is 0 on a garment, the ReLU passes no gradient " +
        "back, so that garment cannot pull its own class up. A dead map can wake only through the layers that all " +
        "classes share: follow the word below lane A's maps. But not every lost class has a dead map; chapter 3 " +
        "counts them."},
      {text: "Lane B, with linear logits.", argued: "A linear logit can fall below all others, too, and its class " +
        "is then not answered for a while. But its gradient never stops: each garment of that class pulls the " +
        "logit up again."},
      {text: "Both leave as many.", argued: "So it is where neither has left ln 10: each then answers one class, or " +
        "two. And so it can be after a longer run, when both have found every class."},
    ],
    says: ({lost}) => `leaves ${lost || "no"} ${lost === 1 ? "class" : "classes"} unanswered`,
    outcome: ([a, b]) => a.lost === b.lost ? 2 : a.lost > b.lost ? 0 : 1,
  },
  {
    name: "None, one, two, three",
    seed: 0, steps: 500, inTorch: 500,
    lanes: [{linear: true, ones: 0}, {linear: true, ones: 3}],
    setting: "Lane A has no 1×1s, only the first convolution of each block; lane B has three in each. Both start " +
      "from Kaiming weights and have linear logits. One and two you can set yourself, below.",
    question: "After 500 steps, which loss is lower?",
    options: [
      {text: "Lane A's, with none, by more than 0.1.", argued: "With twelve layers fewer there is less to pass " +
        "through before the first step helps, so the short network starts early. Whether three 1×1s repay their " +
        "start in a long run is another question: press Play again and watch."},
      {text: "Lane B's, with three, by more than 0.1.", argued: "Three 1×1s let a block compute more of each " +
        "pixel's channels. That helps a network that is trained to the end; it does not help it to begin."},
      {text: "They differ by 0.1 at most.", argued: "A 1×1 does not see more of the picture, so one could expect " +
        "it to change little. But each one is a layer more, with a ReLU more, and the gradient has to come " +
        "through all of them."},
    ],
    says: ({loss}) => `has a loss of ${loss.toFixed(2)}`,
    outcome: ([a, b]) => Math.abs(a.loss - b.loss) <= 0.1 ? 2 : a.loss < b.loss ? 0 : 1,
  },
  {
    name: "Half the learning rate",
    seed: 2, steps: 1000, inTorch: 1500,
    lanes: [{lr: 0.1}, {lr: 0.05}],
    setting: "The same network from the same Kaiming weights, its logits after a ReLU, the same batches. Lane A " +
      "has a learning rate of 0.1, lane B half of it.",
    question: "After 1,000 steps, which lane classifies more held-out images correctly?",
    options: [
      {text: "Lane A, with 0.1, by more than 3 points.", argued: "Near the start all steps go down the same " +
        "slope, and half the step takes about twice as many. So the larger rate can be ahead, if no step of it " +
        "goes too far."},
      {text: "Lane B, with 0.05, by more than 3 points.", argued: "A single large step can push class maps below " +
        "0 on every garment. Their ReLUs then pass no gradient, and what was learnt is gone: look for a jump of " +
        "lane A's loss, and for dead maps and classes that it never answers. Half the step goes half as far."},
      {text: "They are within 3 points.", argued: "Where no step goes too far, 0.05 and 0.1 lead to much the same " +
        "place. Then a difference of the moment decides, which another seed can turn round."},
    ],
    says: ({accuracy}) => `has ${(100 * accuracy).toFixed(1)}% right`,
    outcome: ([a, b]) => Math.abs(a.accuracy - b.accuracy) <= 0.03 ? 2 : a.accuracy > b.accuracy ? 0 : 1,
  },
];

// How often each option of a duel came out in the runs of torch, whose seeds are others: {of: [counts], runs}.
figures.trainingCounts = (duel, base) => {
  const [first, second] = duel.lanes.map((lane) => {
    const {init, linear, ones, lr} = {...base, ...lane};
    return figures.trainingRuns[`${init} ${linear} ${ones} ${lr}`].map(([left, loss, accuracy, lost]) =>
      ({left: left !== null && left <= duel.inTorch ? left : null, loss, accuracy, lost}));
  });
  const of = duel.options.map(() => 0);
  first.forEach((run, i) => of[duel.outcome([run, second[i]])]++);
  return {of, runs: first.length};
};
