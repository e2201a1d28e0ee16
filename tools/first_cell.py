# Finds the helper `nin`: beside this notebook or, on Colab, in a copy of the book.
import os
import subprocess
import sys
from importlib.util import find_spec

REPOSITORY, REVISION = "", ""  # the published book fills these in
if not (find_spec("nin") and find_spec("d2l")):
    url = os.environ.get("NIN_REPOSITORY", REPOSITORY)
    if not url or "google.colab" not in sys.modules:
        raise ImportError(
            "Open this notebook in book/ of the whole repository, with d2l installed: "
            "pip install --no-deps d2l==1.0.3. On Colab, use the Colab button of the "
            "published book, or set NIN_REPOSITORY to the repository's address.")
    bring = (
        f"test -d nin-book || git clone -q {url} nin-book && cd nin-book && "
        f"git checkout -q {REVISION} && "
        f"{sys.executable} -m pip install -q --no-deps -r requirements-colab.txt")
    subprocess.run(bring, shell=True, check=True)
    sys.path.insert(0, os.path.abspath("nin-book/book"))
