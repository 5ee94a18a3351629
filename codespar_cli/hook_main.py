"""What a host's hook runs, by its file: `python -I -S …/codespar_cli/hook_main.py claude`.

`-I` leaves out what an agent could put in the way: the working directory, PYTHON* variables, the user's own packages. `-S`
leaves out `site`, and with it every `.pth` file and `sitecustomize`, which would run before us. So the directory that
codespar itself lies in is found here, and is the only one beside Python's own.
"""

import sys

_HERE = __file__.rpartition("/codespar_cli/")[0]


def main() -> None:
    if _HERE not in sys.path:
        sys.path.append(_HERE)  # last: what is there must not be taken for a module of Python's own
    from codespar_cli.hook_start import begin

    begin()
    _find_libraries()
    sys.argv.insert(1, "hook")
    from codespar_cli.__main__ import fill_closed_descriptors

    fill_closed_descriptors()
    from codespar_cli.cli.hook_door import hook

    hook(sys.argv[1:])


def _find_libraries() -> None:
    """Where codespar was installed, all that we need lies beside us. Its sources lie elsewhere."""
    from os.path import isdir  # which `hook_start` has imported

    if isdir(f"{_HERE}/apsw"):  # noqa: PTH112
        return
    environment, version = sys.executable.rpartition("/bin/")[0], f"python{sys.version_info[0]}.{sys.version_info[1]}"
    beside = f"{environment}/lib/{version}/site-packages"
    if isdir(f"{beside}/apsw"):  # noqa: PTH112
        sys.path.append(beside)
    else:  # `site` looks there as well, and further; it takes a tenth of our time
        from site import main as look_around

        look_around()


def _refuse(reason: str) -> None:
    """Say no without anything of ours: what broke may be any of it. A traceback would end with 1, which hosts let pass."""
    import os

    words = f"codespar: the hook could not start: {reason}"
    if "copilot" in sys.argv:  # the one host that may take an exit code for a permission
        os.write(1, b'{"permissionDecision":"deny","permissionDecisionReason":"%s"}\n' % words.encode())
        os._exit(0)
    os.write(2, words.encode() + b"\n")
    os._exit(2)


if __name__ == "__main__":
    try:
        main()
    except BaseException as error:
        _refuse(type(error).__name__)
