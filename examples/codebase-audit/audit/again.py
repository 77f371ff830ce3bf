"""How the verifier counts: every figure by other commands than the specialist's."""

import re
import shlex

from audit.shell import CODE, CODE_FILES, LONG, MANIFESTS, PYTHON_TESTS, TEST_FILES, figure, names, scope

NAMES = scope("-print0 | tr '\\n\\0' '?\\n'")  # every name a line of its own
ENDS = "-exec cat {} + | tr -dc '\\n' | wc -c"
LENGTHS = "-exec sh -ec 'for file; do wc -l <\"$file\"; done' sh {} +"

HAS_MARK = """{
n = split($0, word, /[^A-Za-z0-9_]+/)
for (i = 1; i <= n; i++) if (word[i] ~ /^(TODO|FIXME|XXX)$/) {print; next}}"""
IS_TEST = '($1 == "def" && $2 ~ /^test/) || ($1 == "async" && $2 == "def" && $3 ~ /^test/)'
MODULE = r"""{sub(/\r$/, "")} NF > 1 {
module = $2; sub(/[,;#].*/, "", module); split(module, part, "."); is_all = $2 == module
if (module !~ /^[.A-Za-z_][.A-Za-z0-9_]*$/) next
if ($1 == "from" && is_all && ($3 ~ /^import[(*]/ || $3 == "import" && NF > 3)) print part[1] ? part[1] : "(relative)"
if ($1 == "import" && part[1] && (NF == 2 || !is_all || $3 ~ /^[,;#]/ || $3 == "as")) print part[1]}"""
BY_MODULE = """awk '{n[$1]++} END {m = 0
for (module in n) {print "imports of " module " = " n[module]; if (module != "(relative)") m++}
print "modules imported = " m; print "import lines = " NR}'"""
DECLARED = r"""[ ! -f /source/pyproject.toml ] || {
n=$(sed -n '/^dependencies *=/,$p' /source/pyproject.toml | sed 's/[[:space:]]#.*//' | tr '\n' ' ' |
sed -nE 's/^dependencies *= *\[(([^]"]|"[^"]*")*)\].*/\1/p' | tr -dc '"' | wc -c)
echo "declared dependencies = $((n / 2))"; }"""
BY_SUFFIX = """awk -F/ 'match($NF, /[.][a-z]+$/) {n[substr($NF, RSTART + 1)]++}
END {for (suffix in n) print "." suffix " files = " n[suffix]}'"""
MOST = "awk '$1 > n {n = $1} END {print n + 0}'"


def named(name: str, patterns: str) -> str:
    """How many names match, by awk rather than by find."""
    regex = "|".join(pattern.replace(".", "[.]").replace("*", ".*") for pattern in patterns.split())
    return figure(name, f"{NAMES} | awk -F/ '$NF ~ /^({regex})$/ {{n++}} END {{print n + 0}}'")


def matching(name: str, files: str, awk: str) -> str:
    """How many lines awk picks, in files of these names."""
    return figure(name, scope(names(files), f"-exec awk {shlex.quote(awk)} {{}} + | wc -l"))


def ends(files: str) -> str:
    """Line ends as bytes, rather than lines."""
    return scope(names(files), ENDS)


def lengths(files: str, fold: str) -> str:
    """Each file's lines, folded."""
    return scope(names(files), f"{LENGTHS} | {fold}")


AGAIN = {
    "structure": [
        figure("files", f"{NAMES} | wc -l"),
        named("source files", CODE_FILES),
        f"{NAMES} | {BY_SUFFIX}",
        f"for suffix in {CODE}; do",
        f"""n=$({scope('-name "*.$suffix"', ENDS)})""",
        '[ "$n" -eq 0 ] || echo ".$suffix lines = $n"; done',
        figure("lines", ends(CODE_FILES)),
        figure("lines of the longest file", lengths(CODE_FILES, MOST)),
    ],
    "tests": [
        named("test files", TEST_FILES),
        figure("test lines", ends(TEST_FILES)),
        matching("test functions", PYTHON_TESTS, IS_TEST),
    ],
    "dependencies": [
        scope(f"-name '*.py' -exec awk {shlex.quote(MODULE)} {{}} +") + f" | {BY_MODULE}",
        named("manifests", MANIFESTS),
        matching("lines of requirements*.txt", "requirements*.txt", "$1 ~ /^[A-Za-z0-9]/"),
        DECLARED,
    ],
    "risks": [
        matching("lines with open marks", CODE_FILES, HAS_MARK),
        matching("lines with bare excepts", "*.py", '$1 ~ /^except:/ || ($1 == "except" && $2 ~ /^:/)'),
        matching("lines with eval or exec", "*.py", r"/(^|[^.A-Za-z0-9_])(eval|exec)[ \t]*[(]/"),
        matching("lines with shell=True", "*.py", r"/(^|[^A-Za-z0-9_])shell[ \t]*=[ \t]*True/"),
        matching("lines with pickle loads", "*.py", r"/(^|[^.A-Za-z0-9_])pickle[.]loads?[ \t]*[(]/"),
        figure(f"files over {LONG} lines", lengths(CODE_FILES, f"awk '$1 > {LONG}' | wc -l")),
    ],
}
MAY_BE_ABSENT = re.compile(r"\.\w+ (files|lines)|imports of .+")  # what these commands do not say, they counted as 0
