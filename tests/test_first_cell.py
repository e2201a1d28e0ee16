"""The notebooks' first cell, run in an empty folder by an interpreter that has neither d2l nor the helper."""

import json
import os
import shutil
import subprocess
import sys

import pytest

import notebooks
import stamp

# Stands in for pip: notes how it was called and installs a d2l beside itself.
FAKE_PIP = """
import json, pathlib, sys
folder = pathlib.Path(__file__).parent
(folder / "called.json").write_text(json.dumps(sys.argv[1:]))
(folder / "d2l.py").write_text("")
"""
# Runs the cell and tells where it led.
SCRIPT = """
import sys
sys.path.insert(0, "")
exec(compile(sys.stdin.read(), "cell", "exec"))
import d2l, nin
print(nin.__file__)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """An interpreter with the standard library only."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def packages(tmp_path):
    """The folder of installed packages: at first it holds only the stand-in for pip."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "pip.py").write_text(FAKE_PIP)
    return folder


@pytest.fixture
def repository(tmp_path):
    """A repository with a helper package, in two commits; returns (address, first commit)."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    helper = folder / "book" / "nin"
    helper.mkdir(parents=True)
    (folder / "requirements-colab.txt").write_text("d2l==1.0.3\n")

    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *name, "-C", folder, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    for text in ("first = True\n", "first = False\n"):
        (helper / "__init__.py").write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", "a commit")
    return folder.as_uri(), git("rev-parse", "HEAD~1")


def put_colab(packages):
    """Add what Colab has: a module google.colab, imported from the start."""
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "__init__.py").write_text("")
    (packages / "google" / "colab" / "__init__.py").write_text("")
    (packages / "sitecustomize.py").write_text("import google.colab\n")


def run(python, packages, folder, text=notebooks.FIRST_CELL, **more):
    """Run the cell in a folder; return the finished process."""
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NIN_", "PYTHON"))}
    environment.update(PYTHONPATH=str(packages), PYTHONDONTWRITEBYTECODE="1", **more)
    return subprocess.run(
        [python, "-c", SCRIPT], input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def test_it_is_short_and_fits():
    lines = notebooks.FIRST_CELL.splitlines()
    assert len(lines) <= 20 and max(map(len, lines)) <= 88


def test_alone_it_says_what_to_do(python, packages, tmp_path):
    done = run(python, packages, tmp_path / "empty")
    assert done.returncode == 1
    assert "Open this notebook in book/ of the whole repository" in done.stderr.splitlines()[-1]


def test_a_stamped_cell_brings_nothing_where_it_is_not_colab(python, packages, repository, tmp_path):
    done = run(python, packages, tmp_path / "empty", stamp.stamped(*repository))
    assert done.returncode == 1 and "ImportError" in done.stderr.splitlines()[-1]
    assert list((tmp_path / "empty").iterdir()) == [] and not (packages / "called.json").exists()


def test_helper_without_d2l_names_the_command(python, packages, tmp_path):
    (tmp_path / "nin").mkdir()
    (tmp_path / "nin" / "__init__.py").write_text("")
    done = run(python, packages, tmp_path)
    assert done.returncode == 1
    assert "pip install --no-deps d2l==1.0.3" in done.stderr.splitlines()[-1]
    assert not (packages / "called.json").exists()


def test_beside_the_helper_it_does_nothing(python, packages, tmp_path):
    (tmp_path / "nin").mkdir()
    (tmp_path / "nin" / "__init__.py").write_text("")
    (packages / "d2l.py").write_text("")
    before = sorted(tmp_path.rglob("*"))
    done = run(python, packages, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tmp_path / "nin" / "__init__.py")
    assert sorted(tmp_path.rglob("*")) == before


def test_on_colab_it_brings_helper_and_packages(python, packages, repository, tmp_path):
    put_colab(packages)
    address, _ = repository
    done = run(python, packages, tmp_path / "empty", NIN_REPOSITORY=address)
    assert done.returncode == 0, done.stderr
    helper = tmp_path / "empty" / "nin-book" / "book" / "nin" / "__init__.py"
    assert done.stdout.strip() == str(helper)
    assert helper.read_text() == "first = False\n"
    called = json.loads((packages / "called.json").read_text())
    assert called == ["install", "-q", "--no-deps", "-r", "nin-book/requirements-colab.txt"]


def test_on_colab_a_stamped_cell_needs_no_settings(python, packages, repository, tmp_path):
    put_colab(packages)
    for _ in range(2):  # after a restart of the kernel the copy is there already
        done = run(python, packages, tmp_path / "empty", stamp.stamped(*repository))
        assert done.returncode == 0, done.stderr
        assert (tmp_path / "empty" / "nin-book" / "book" / "nin" / "__init__.py").read_text() == "first = True\n"


def test_on_colab_without_a_repository_it_says_what_to_do(python, packages, tmp_path):
    put_colab(packages)
    done = run(python, packages, tmp_path / "empty")
    assert done.returncode == 1
    assert "Colab button" in done.stderr.splitlines()[-1] and "NIN_REPOSITORY" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("address, revision", [("away", ""), (None, 40 * "1")])
def test_on_colab_what_cannot_be_brought_is_named(python, packages, repository, tmp_path, address, revision):
    put_colab(packages)
    text = stamp.stamped(str(tmp_path / address) if address else repository[0], revision)
    done = run(python, packages, tmp_path / "empty", text)
    assert done.returncode == 1
    assert (str(tmp_path / "away") if address else revision) in done.stderr.splitlines()[-1]
    assert not (packages / "called.json").exists()


def test_the_packages_are_the_books():
    """The same d2l, and nothing that the book does without."""
    wanted = (notebooks.ROOT / "requirements-colab.txt").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in wanted if not line.startswith("#")]
    assert "d2l==1.0.3" in wanted and "d2l==1.0.3" in (notebooks.ROOT / "Makefile").read_text(encoding="utf-8")
    known = (notebooks.ROOT / "requirements.txt").read_text(encoding="utf-8")
    # pooch is installed without dependencies as well, and needs platformdirs.
    assert {line for line in wanted if f"{line}==" not in known} <= {"d2l==1.0.3", "platformdirs"}
