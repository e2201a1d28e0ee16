"""What the workflows may do and with which packages pages are published; each check is tried on a broken copy too."""

import contextlib
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

import build
import notebooks
import setup_venv


def text(name):
    """Return the text of a file of this repository."""
    return (notebooks.ROOT / name).read_text(encoding="utf-8")


def breaking(name, *changes):
    """Return pytest parameters: the file's text with something replaced, and a word of the fault to be found."""
    for old, _, _ in changes:
        assert old in text(name), f"{name} no longer has {old!r}: give the test another way to break it"
    changed = [(text(name).replace(old, new), fault, old.strip()[:30]) for old, new, fault in changes]
    return [pytest.param(broken, fault, id=f"{fault}: {old}") for broken, fault, old in changed]


BOOK, LINKS, DEPENDABOT, LOCK = (
    ".github/workflows/book.yml",
    ".github/workflows/links.yml",
    ".github/dependabot.yml",
    "requirements-html.lock",
)
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
TOKEN = re.compile(r"github\.token|\bsecrets\b|GITHUB_TOKEN")
INSTALLS = re.compile(r"\b(make|pip|uv|setup_venv|setup-python|apt-get|npm|conda)\b")  # make sets environments up
RIGHTS = {
    "test": {"contents": "read"},
    "build": {"contents": "read"},
    "deploy": {"pages": "write", "id-token": "write"},
    "colab": {"contents": "write"},
}
NEEDS = {"test": None, "build": "test", "deploy": "build", "colab": "deploy"}
CONDITIONS = {
    "test": None,
    "build": "github.event_name == 'push' && github.ref == 'refs/heads/main'",
    "deploy": None,
    "colab": "needs.deploy.outputs.current == 'true'",
}
CURRENT = "steps.head.outputs.current == 'true'"


def faults(workflow):
    """Return what is wrong with the text of any workflow: its pins, its rights, its tokens."""
    found = [f"not pinned: {used}" for used in re.findall(r"uses: *(.+)", workflow) if not PINNED.fullmatch(used)]
    parsed = yaml.safe_load(workflow)
    if parsed.get("permissions") not in ({}, {"contents": "read"}):
        found.append("rights for all jobs")
    pushes = ""
    for name, job in parsed["jobs"].items():
        if not isinstance(job.get("permissions"), dict):
            found.append(f"{name} names no rights")
        elif "write" in job["permissions"].values() and INSTALLS.search(yaml.dump(job["steps"])):
            found.append(f"{name} installs and writes")
        for step in job["steps"]:
            script = step.get("run", "")
            keeps = step.get("with", {}).get("persist-credentials") is not False
            if "actions/checkout@" in step.get("uses", "") and keeps:
                found.append(f"{name} keeps the token after the checkout")
            if "${{" in script:
                found.append(f"{name} pastes an expression into a script")
            if re.fullmatch(r"git [^;&|\n]* push [\w -]+", script):
                pushes += yaml.dump(step)
    if len(TOKEN.findall(workflow)) > len(TOKEN.findall(pushes)):
        found.append("a token for more than one git push")
    return found


def publishing_faults(workflow):
    """Return what is wrong with the four jobs that test and publish the book."""
    jobs = yaml.safe_load(workflow)["jobs"]
    if list(jobs) != list(RIGHTS):
        return [f"other jobs: {', '.join(jobs)}"]
    found = []
    for key, wanted in (("permissions", RIGHTS), ("needs", NEEDS), ("if", CONDITIONS)):
        found += [f"{key} of {name}" for name, job in jobs.items() if job.get(key) != wanted[name]]
    steps = [step for step in jobs["deploy"]["steps"] if "uses" in step]
    if not (len(steps) == 1 and "deploy-pages@" in steps[0]["uses"] and steps[0].get("if") == CURRENT):
        found.append("unguarded: deploy does more than publish the head of main")
    if jobs["deploy"]["outputs"] != {"current": "${{ steps.head.outputs.current }}"}:
        found.append("unguarded: colab does not learn whether this is the head of main")
    scripts = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    versions = jobs["test"]["strategy"]["matrix"]["python"]
    if "make test-all" not in scripts["test"] or versions != ["3.11", "3.12", "3.13"]:
        found.append("untested: not all tests on all versions")
    if re.findall("pip install.*", scripts["build"]) != [f"pip install --require-hashes --only-binary :all: -r {LOCK}"]:
        found.append("unlocked: build installs something else than the lock")
    if "python tools/stale.py\npython tools/build.py\n" not in scripts["build"]:
        found.append("stale: build does not see first whether outputs are older than their sources")
    return found


@pytest.mark.parametrize("name", [BOOK, LINKS])
def test_workflows_have_the_least_rights(name):
    assert faults(text(name)) == []


@pytest.mark.parametrize(
    "workflow, fault",
    breaking(
        BOOK,
        (" # v7.0.1", "", "not pinned"),
        ("actions/deploy-pages@cd2ce8fcbc39b97be8ca5fce6e763baed58fa128", "actions/deploy-pages@v5", "not pinned"),
        ("permissions: {}", "permissions: write-all", "rights for all jobs"),
        ("permissions: {}", "", "rights for all jobs"),
        ("    permissions:\n      contents: write\n", "", "names no rights"),
        ("    permissions:\n      contents: read\n", "    permissions: read-all\n", "names no rights"),
        ("contents: read", "contents: write", "installs and writes"),
        ("run: git -c", "run: pip install something; git -c", "installs and writes"),
        ("        persist-credentials: false", "        fetch-depth: 1", "keeps the token"),
        ("persist-credentials: false", 'persist-credentials: "false"', "keeps the token"),
        ("for Colab", "for ${{ github.head_ref }}", "pastes an expression"),
        ("GIT_TERMINAL_PROMPT: \"0\"", "TOKEN: ${{ github.token }}", "a token for more"),
        ("permissions: {}", "permissions: {}\nenv: {TOKEN: '${{ secrets.ANY }}'}", "a token for more"),
        ("push --force origin colab", "push --force origin colab; date", "a token for more"),
    ),
)
def test_a_broken_workflow_is_found(workflow, fault):
    assert any(fault in found for found in faults(workflow))


def test_three_jobs_publish_and_each_has_its_own_rights():
    assert publishing_faults(text(BOOK)) == []


@pytest.mark.parametrize(
    "workflow, fault",
    breaking(
        BOOK,
        ("\n  colab:\n", "\n  more:\n", "other jobs"),
        ("      pages: write\n", "", "permissions of deploy"),
        ("      id-token: write\n", "      id-token: write\n      contents: read\n", "permissions of deploy"),
        ("contents: write", "contents: read", "permissions of colab"),
        ("    needs: test\n", "", "needs of build"),
        ("    if: github.event_name == 'push' && github.ref == 'refs/heads/main'\n", "", "if of build"),
        ("    needs: build\n", "    needs: build\n    if: always()\n", "if of deploy"),
        ("    if: needs.deploy.outputs.current == 'true'\n", "", "if of colab"),
        ("      if: steps.head.outputs.current == 'true'\n", "", "unguarded"),
        ("    - id: pages\n", "    - uses: actions/checkout@v7\n    - id: pages\n", "unguarded"),
        ("${{ steps.head.outputs.current }}", "true", "unguarded"),
        ("make test-all", "make test", "untested"),
        ('"3.12", ', "", "untested"),
        ("--require-hashes ", "", "unlocked"),
        ("requirements-html.lock", "requirements-html.txt", "unlocked"),
        ("        python tools/stale.py\n", "", "stale"),
        ("python tools/stale.py", "python tools/stale.py || true", "stale"),
    ),
)
def test_a_broken_publication_is_found(workflow, fault):
    assert any(fault in found for found in publishing_faults(workflow))


def step(job, name):
    """Return the step of that name, or whose name begins so."""
    steps = yaml.safe_load(text(BOOK))["jobs"][job]["steps"]
    return next(step for step in steps if step.get("name", "").startswith(name))


def run(folder, script, **variables):
    """Run a script in a folder as the workflow would, with git seeing no settings of this machine."""
    alone = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    environment = {**os.environ, **alone, **{name: str(value) for name, value in variables.items()}}
    return subprocess.run(["bash", "-e", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)


def output(folder, script, **variables):
    """Return what a script that must succeed prints."""
    done = run(folder, script, **variables)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


COMMIT = "git add . && git -c user.name=name -c user.email=address commit --quiet --message m && git rev-parse HEAD"


@pytest.fixture
def site(tmp_path):
    """A folder that stands for GitHub, with the repository owner/name, and the commits of its main, oldest first."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    source = tmp_path / "source"
    (source / "book").mkdir(parents=True)
    output(source, "git init --quiet && git symbolic-ref HEAD refs/heads/main")
    commits = []
    for content in ("older", "newer"):
        (source / "book" / "a.ipynb").write_text(content, encoding="utf-8")
        (source / "book" / "page.md").write_text(content, encoding="utf-8")
        commits.append(output(source, COMMIT))
    output(tmp_path, "git clone --quiet --bare source owner/name")
    return tmp_path, commits


def test_only_the_head_of_main_is_published(site):
    folder, (older, newer) = site
    script = step("deploy", "see whether")["run"]
    answers = folder / "answers"
    variables = {"GITHUB_SERVER_URL": folder.as_uri(), "GITHUB_REPOSITORY": "owner/name", "GITHUB_OUTPUT": answers}
    for commit in (newer, older):
        output(folder, script, GITHUB_SHA=commit, **variables)
    assert answers.read_text(encoding="utf-8").split() == ["current=true", "current=false"]
    # No answer is no permission.
    variables |= {"GITHUB_REPOSITORY": "owner/other", "GITHUB_OUTPUT": folder / "none"}
    assert run(folder, script, GITHUB_SHA=newer, **variables).returncode
    assert not (folder / "none").exists()


def test_the_branch_colab_is_one_commit_with_the_stamped_notebooks(site):
    folder, (_, newer) = site
    push = step("colab", "push")
    for stamped in ("once", "twice"):
        clone = folder / stamped
        output(folder, f"git clone --quiet --depth 1 {folder.as_uri()}/owner/name {clone}")
        (clone / "book" / "a.ipynb").write_text(stamped, encoding="utf-8")
        output(clone, step("colab", "commit")["run"], GITHUB_SHA=newer)
        output(clone, push["run"], **{**push["env"], "TOKEN": "secret"})
        there = folder / "owner" / "name"
        assert output(there, "git show colab:book/a.ipynb") == stamped
        assert output(there, "git show colab:book/page.md") == "newer"
        assert output(there, "git rev-list --count colab") == "1"
        assert output(there, "git rev-parse main") == newer
        assert "secret" not in (clone / ".git" / "config").read_text(encoding="utf-8")


def test_git_gets_the_token_from_the_environment(site):
    ask = 'printf "protocol=https\\nhost=github.com\\n\\n" | git -c credential.helper="$HELPER" credential fill'
    helper = step("colab", "push")["env"]["HELPER"]
    answer = output(site[0], ask, HELPER=helper, TOKEN="secret").splitlines()
    assert {"username=x-access-token", "password=secret"} <= set(answer)


def test_links_are_followed_every_week():
    workflow = yaml.safe_load(text(LINKS))
    occasions = workflow[True]  # YAML reads the key `on` as true
    assert "workflow_dispatch" in occasions
    assert [re.fullmatch(r"\d+ \d+ \* \* [0-6]", at["cron"]) is not None for at in occasions["schedule"]] == [True]
    assert [step["run"] for step in workflow["jobs"]["links"]["steps"] if "run" in step] == ["make linkcheck"]
    assert "tools/build.py --links" in text("Makefile").split("\nlinkcheck:")[1].split("\n\n")[0]


@pytest.mark.parametrize("words, builder", [([], "html"), (["--links"], "linkcheck")])
@pytest.mark.parametrize("failed", [0, 1])
def test_the_builder_and_its_failure(tmp_path, monkeypatch, words, builder, failed):
    called = []
    monkeypatch.setattr(build, "build_sphinx", lambda *_, **options: called.append(options["builder"]) or failed)
    monkeypatch.setattr(sys, "argv", ["build.py", "--output", str(tmp_path), *words])
    monkeypatch.chdir(tmp_path)  # undone afterwards
    with pytest.raises(SystemExit) if failed else contextlib.nullcontext():
        build.main()
    assert called == [builder]


def dependabot_faults(settings):
    """Return what a week's look for newer versions would miss."""
    found, looked = [], set()
    for update in yaml.safe_load(settings)["updates"]:
        if update["schedule"]["interval"] != "weekly":
            found.append("not weekly")
        folders = update.get("directories", [update.get("directory")])
        looked |= {(update["package-ecosystem"], folder) for folder in folders}
    wanted = {("github-actions", "/"), ("pip", "/"), ("pip", "/tests")}
    return found + [f"{ecosystem} is missed in {folder}" for ecosystem, folder in wanted - looked]


def test_newer_versions_are_looked_for():
    assert dependabot_faults(text(DEPENDABOT)) == []


@pytest.mark.parametrize(
    "settings, fault",
    breaking(
        DEPENDABOT,
        ("package-ecosystem: github-actions", "package-ecosystem: npm", "github-actions is missed"),
        (", /tests", "", "pip is missed in /tests"),
        ("weekly", "monthly", "not weekly"),
    ),
)
def test_a_missed_version_is_found(settings, fault):
    assert any(fault in found for found in dependabot_faults(settings))


def pins(requirements):
    """Return the packages that a text pins, with their versions."""
    return {name.lower(): version for name, version in re.findall(r"^([\w.-]+)==([\w.]+)", requirements, re.MULTILINE)}


LOCKED = re.compile(r"([a-z0-9-]+)(?:\[[\w,-]+\])?==([\w.]+)(?: ; [^#\\]+?)?(?: +--hash=sha256:[0-9a-f]{64})+")


def lock_faults(lock, requirements):
    """Return what is wrong with a lock: packages without a hash, addresses, other versions than required."""
    lines = [line.strip() for line in lock.replace("\\\n", " ").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    matches = {line: LOCKED.fullmatch(line) for line in lines}
    found = [f"no hash: {line[:80]}" for line, match in matches.items() if not match]
    versions = {}
    for match in filter(None, matches.values()):
        versions.setdefault(match[1], set()).add(match[2])
    for name, version in pins(requirements).items():
        if versions.get(name) != {version}:
            found.append(f"{name} is not {version}: run make lock")
    return found + ["an address"] * ("://" in lock)


def test_the_lock_has_a_hash_for_each_package_and_the_required_versions():
    assert len(pins(text("requirements-html.txt"))) == 7
    assert lock_faults(text(LOCK), text("requirements-html.txt")) == []


def test_a_broken_lock_is_found():
    lock, requirements = text(LOCK), text("requirements-html.txt")
    hashes = re.compile(r"( \\\n    --hash=\S+)+")
    assert hashes.search(lock)
    broken = {
        "no hash": hashes.sub("", lock, count=1),
        "an address": lock + "--index-url https://example.org/\n",
        "sphinx is not": re.sub(r"^sphinx==\S+", "sphinx==0.1", lock, flags=re.MULTILINE),
        "myst-nb is not": re.sub(r"^myst-nb==", "other==", lock, flags=re.MULTILINE),
    }
    for fault, text_of_lock in broken.items():
        assert text_of_lock != lock
        assert any(fault in found for found in lock_faults(text_of_lock, requirements)), fault
    assert lock_faults(lock, requirements.replace("Sphinx==", "Sphinx==9.")) != []


CPU_INDEX = "https://download.pytorch.org/whl/cpu"


def test_torch_comes_first_where_it_has_an_index_of_its_own():
    files = [str(notebooks.ROOT / "requirements.txt"), str(notebooks.ROOT / "tests" / "requirements.txt")]
    words = [".venv", *files, "--no-deps", "d2l==1.0.3"]
    versions = pins(text("requirements.txt"))
    torch = [f"{name}=={versions[name]}" for name in ("torch", "torchvision")]
    usual = setup_venv.commands("python", setup_venv.parse(words))
    first, *others = setup_venv.commands("python", setup_venv.parse([*words, "--torch-from", CPU_INDEX]))
    pip = ["python", "-m", "pip", "install", "--disable-pip-version-check"]
    assert first == [*pip, *torch, "--index-url", CPU_INDEX]
    assert others == usual == [[*pip, "-r", files[0], "-r", files[1]], [*pip, "--no-deps", "d2l==1.0.3"]]
    # The README gives the same line by hand.
    assert f"pip install {' '.join(torch)} --index-url {CPU_INDEX}\n" in text("README.md")


@pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")
def test_make_hands_the_choice_on():
    for choice, given in (([], False), (["CPU="], False), (["CPU=1"], True)):
        command = ["make", "--dry-run", "--directory", notebooks.ROOT, "full-venv", *choice]
        inherited = ("CPU", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
        environment = {name: value for name, value in os.environ.items() if name not in inherited}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert (f"--torch-from {CPU_INDEX}" in done.stdout) == given


def test_the_citation_names_the_book():
    citation, config = yaml.safe_load(text("CITATION.cff")), yaml.safe_load(text("_config.yml"))
    book = citation["preferred-citation"]
    for part in (citation, book):
        assert part["title"] == config["title"]
        assert part["authors"] == [{"name": config["author"]}]
        assert not {"doi", "url", "identifiers"} & set(part)
    assert (citation["license"], book["license"]) == ("MIT", "CC-BY-4.0")
    assert "MIT" in text("LICENSE") and "CC BY 4.0" in text("LICENSE-text")
