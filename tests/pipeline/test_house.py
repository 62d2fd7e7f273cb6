"""Rules for the code base: import order, size of files, layout of the tests."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from helpers import PACKAGE, RANKS, TESTS, write_sample


def rank(package: str) -> int:
    return next(number for number, packages in enumerate(RANKS) if package in packages)


def sources() -> dict[Path, str]:
    """All source files and the top-level package or module of each."""
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    return {path: path.relative_to(PACKAGE).parts[0].removesuffix(".py") for path in files}


def imported_modules(path: Path) -> Iterator[str]:
    """The full names of imported modules, and of what is imported from them."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_packages(path: Path) -> Iterator[str]:
    """The top-level packages and modules of simvp that a source file imports."""
    for module in imported_modules(path):
        parts = module.split(".")
        if parts[0] == "simvp" and parts[1] != "__version__":
            yield parts[1]


def test_every_module_has_a_rank() -> None:
    assert set(sources().values()) == set.union(*RANKS)


def test_modules_import_from_lower_ranks_only() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {other}"
        for path, package in sources().items()
        for other in imported_packages(path)
        if other != package and rank(other) >= rank(package)
    ]
    assert wrong == []


def test_files_and_functions_stay_small() -> None:
    for path in sources():
        text = path.read_text()
        assert len(text.splitlines()) <= 300, path
        for node in ast.walk(ast.parse(text)):
            # Functions in `cli` are long because of their lists of options.
            if isinstance(node, ast.FunctionDef) and path.parent.name != "cli":
                body = node.end_lineno - node.body[0].lineno
                assert body <= 50, f"{path}: {node.name} has {body} lines"


def mirrored(test: Path) -> Path:
    """The module or package that a test module mirrors; `test` is relative to `tests`."""
    return PACKAGE / test.parent / test.name.removeprefix("test_")


def test_each_test_module_mirrors_a_module() -> None:
    """Except tests of the whole pipeline."""
    modules = [path.relative_to(TESTS) for path in TESTS.rglob("test_*.py")]
    missing = [
        str(module)
        for module in modules
        if module.parts[0] != "pipeline"
        and not mirrored(module).is_file()
        and not (mirrored(module).with_suffix("") / "__init__.py").is_file()
    ]
    assert missing == []
    assert len(modules) > 40


def test_test_modules_are_not_imported() -> None:
    """Helpers for several test modules belong to helpers.py, fixtures to conftest.py."""
    names = {path.stem for path in TESTS.rglob("test_*.py")} | {"conftest"}
    wrong = [
        f"{path.relative_to(TESTS)} imports {module}"
        for path in TESTS.rglob("*.py")
        for module in imported_modules(path)
        if not names.isdisjoint(module.split("."))
    ]
    assert wrong == []


def test_names_of_tests_begin_with_a_word() -> None:
    """Not with the number of an entry in some list."""
    names = [
        node.name
        for path in TESTS.rglob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    assert [name for name in names if re.match(r"test_\d", name)] == []


def test_help_does_not_import_torch() -> None:
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from simvp.cli import app\n"
        "for arguments in ([], ['train'], ['viz']):\n"
        "    result = CliRunner().invoke(app, [*arguments, '--help'])\n"
        "    assert result.exit_code == 0 and 'Usage' in result.output, result.output\n"
        "assert 'torch' not in sys.modules and 'numpy' not in sys.modules\n"
        "assert CliRunner().invoke(app, ['simulate', '--help']).exit_code == 0\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_split_and_its_errors_do_not_import_torch(tmp_path: Path) -> None:
    for number in range(4):
        write_sample(tmp_path / "data" / f"wave_{number}", number)
    code = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from simvp.cli import app\n"
        "for data, code in (('data', 0), ('nowhere', 2)):\n"
        "    result = CliRunner().invoke(app, ['split', data])\n"
        "    assert result.exit_code == code, result.output\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)


def test_installed_versions_match_requirements() -> None:
    lock = TESTS / "requirements.txt"
    pins = [line.split("==") for line in lock.read_text().splitlines() if "==" in line]
    assert ("torch", "2.13.0") in [(name, pin) for name, pin in pins]
    wrong = {name: version(name) for name, pin in pins if version(name).partition("+")[0] != pin}
    assert wrong == {}
