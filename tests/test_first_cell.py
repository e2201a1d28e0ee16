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
    """A repository with a helper package, in two commits; returns (folder, first commit)."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    folder = tmp_path / "repository"
    helper = folder / "book" / "nin"
    helper.mkdir(parents=True)

    def git(*words):
        name = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *name, "-C", folder, *words], check=True, capture_output=True, text=True)
        return done.stdout.strip()

    git("init", "-q")
    for text in ("first = True\n", "first = False\n"):
        (helper / "__init__.py").write_text(text)
        git("add", ".")
        git("commit", "-q", "-m", "a commit")
    return folder, git("rev-parse", "HEAD~1")


def put_colab(packages):
    """Add what Colab has: a module google.colab."""
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "__init__.py").write_text("")
    (packages / "google" / "colab" / "__init__.py").write_text("")


def run(python, packages, folder, text=notebooks.FIRST_CELL, **more):
    """Run the cell in a folder; return the finished process."""
    folder.mkdir(exist_ok=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("NIN_", "PYTHON"))}
    environment.update(PYTHONPATH=str(packages), PYTHONDONTWRITEBYTECODE="1", **more)
    return subprocess.run(
        [python, "-c", SCRIPT], input=text, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


def test_alone_it_says_what_to_do(python, packages, tmp_path):
    done = run(python, packages, tmp_path / "empty")
    assert done.returncode == 1
    assert "Get the whole repository and open the notebook in its book/" in done.stderr.splitlines()[-1]


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


def test_on_colab_it_brings_helper_and_d2l(python, packages, repository, tmp_path):
    put_colab(packages)
    source, first = repository
    done = run(python, packages, tmp_path / "empty", NIN_REPOSITORY=str(source), NIN_REVISION=first)
    assert done.returncode == 0, done.stderr
    helper = tmp_path / "empty" / "nin-book" / "book" / "nin" / "__init__.py"
    assert done.stdout.strip() == str(helper)
    assert helper.read_text() == "first = True\n"
    assert json.loads((packages / "called.json").read_text()) == ["install", "-q", "--no-deps", "d2l==1.0.3"]
    # After a restart of the kernel the copy is there already.
    again = run(python, packages, tmp_path / "empty", NIN_REPOSITORY=str(source), NIN_REVISION=first)
    assert again.returncode == 0, again.stderr


def test_on_colab_a_stamped_cell_needs_no_settings(python, packages, repository, tmp_path):
    put_colab(packages)
    source, first = repository
    done = run(python, packages, tmp_path / "empty", stamp.stamped(str(source), first))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "empty" / "nin-book" / "book" / "nin" / "__init__.py").read_text() == "first = True\n"


def test_on_colab_without_a_repository_it_says_what_to_do(python, packages, tmp_path):
    put_colab(packages)
    done = run(python, packages, tmp_path / "empty")
    assert done.returncode == 1
    assert "Colab button" in done.stderr.splitlines()[-1] and "NIN_REPOSITORY" in done.stderr.splitlines()[-1]


def test_on_colab_an_unreachable_repository_is_named(python, packages, repository, tmp_path):
    put_colab(packages)
    done = run(python, packages, tmp_path / "empty", NIN_REPOSITORY=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert str(tmp_path / "nowhere") in done.stderr.splitlines()[-1]
    assert "run this cell again" in done.stderr.splitlines()[-1]
