# Finds the helper `nin`: beside this notebook or, on Colab, in a copy of the book.
import os
import sys
from importlib.util import find_spec
from subprocess import check_call

REPOSITORY, REVISION = "", ""  # the published book fills these in
if not (find_spec("nin") and find_spec("d2l")):
    url = os.environ.get("NIN_REPOSITORY", REPOSITORY)
    if not url or "google.colab" not in sys.modules:
        raise ImportError(
            "Open this notebook in book/ of the whole repository, with d2l installed: "
            "pip install --no-deps d2l==1.0.3. On Colab, use the Colab button of the "
            "published book, or set NIN_REPOSITORY to the repository's address.")
    if not os.path.isdir("nin-book"):
        check_call(["git", "clone", "-q", url, "nin-book"])
    check_call(["git", "-C", "nin-book", "checkout", "-q", REVISION or "HEAD"])
    check_call([sys.executable, "-m", "pip", "install", "-q", "--no-deps", "-r",
                "nin-book/requirements-colab.txt"])
    sys.path.insert(0, os.path.abspath("nin-book/book"))
