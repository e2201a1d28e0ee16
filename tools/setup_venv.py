"""Makes a virtual environment, or brings it up to date: see setup_venv.py --help."""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys

OLDEST, NEWEST = (3, 11), (3, 13)


def check_python():
    """Stop on a Python that is too old; only warn on one newer than the tested ones."""
    here = sys.version_info[:2]
    if here < OLDEST:
        sys.exit(
            "This book needs Python 3.11, 3.12 or 3.13, and %s is %d.%d.\n"
            "Name another interpreter, for example: make book PYTHON=python3.12" % ((sys.executable,) + here)
        )
    if here > NEWEST:
        print("Python %d.%d is newer than the tested 3.11 to 3.13; it may work." % here, file=sys.stderr)


def texts(files):
    """Return the texts of the requirement files and of those that they include."""
    found, pending = [], list(files)
    while pending:
        path = pending.pop(0)
        with open(path, encoding="utf-8") as stream:
            found.append(stream.read())
        included = [line[2:].strip() for line in found[-1].splitlines() if line.startswith("-r")]
        pending += [os.path.join(os.path.dirname(path), name) for name in included]
    return found


def fingerprint(files, packages):
    """Return a text that changes with the requirements or the interpreter's version."""
    digest = hashlib.sha256(" ".join(packages).encode())
    for text in texts(files):
        digest.update(text.encode())
    return "%d.%d %s" % (sys.version_info[:2] + (digest.hexdigest(),))


def commands(python, arguments):
    """Return the calls of pip, in order."""
    install = [python, "-m", "pip", "install", "--disable-pip-version-check"]
    install += ["--quiet"] if arguments.quiet else []
    calls = []
    if arguments.torch_from:
        lines = "\n".join(texts(arguments.files)).splitlines()
        torch = [line for line in lines if re.match("torch(vision)?==", line)]
        calls.append(install + torch + ["--index-url", arguments.torch_from])
    calls.append(install + [word for path in arguments.files for word in ("-r", path)])
    return calls + [install + ["--no-deps", package] for package in arguments.no_deps]


def parse(words=None):
    """Return the arguments, by default those of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("files", nargs="+")
    parser.add_argument("--quiet", action="store_true", help="let pip report errors only")
    parser.add_argument("--no-deps", action="append", default=[], metavar="PACKAGE")
    # No part of the fingerprint: an environment that is complete stays as it is.
    parser.add_argument("--torch-from", metavar="URL", help="install torch and torchvision first, from this index")
    return parser.parse_args(words)


def main():
    """Leave a complete environment behind, or none that looks complete."""
    arguments = parse()
    check_python()

    folder = arguments.folder
    python = os.path.join(folder, "bin", "python")
    stamp = os.path.join(folder, "complete")
    wanted = fingerprint(arguments.files, arguments.no_deps)
    found = ""
    if os.path.exists(stamp) and os.path.exists(python):
        with open(stamp, encoding="utf-8") as stream:
            found = stream.read()
    if found == wanted:
        return

    print("Setting up %s (once; later calls skip this) ..." % folder, flush=True)
    if found.split(" ")[0] != wanted.split(" ")[0]:
        # Half made, or made by another Python: start afresh.
        shutil.rmtree(folder, ignore_errors=True)
        if subprocess.call([sys.executable, "-m", "venv", folder]):
            shutil.rmtree(folder, ignore_errors=True)
            sys.exit("`%s -m venv` failed; on Debian and Ubuntu, install python3-venv first." % sys.executable)
    for command in commands(python, arguments):
        if subprocess.call(command):
            sys.exit("Setting up %s failed (see above). Check the connection, then run make again." % folder)
    with open(stamp, "w", encoding="utf-8") as stream:
        stream.write(wanted)


if __name__ == "__main__":
    main()
