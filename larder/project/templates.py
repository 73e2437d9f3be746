"""What is wrong with the Jinja of a file, which dbt renders to nothing or to SQL that fails far from it."""

import re
from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from jinja2 import Environment, TemplateSyntaxError, meta, nodes

JINJA = Environment(extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"])  # noqa: S701 - it is parsed, never rendered

WORDS = """
    _dbt_generic_test_kwargs adapter api as_bool as_native as_number as_text builtins caller config context database dbt
    dbt_duckdb dbt_version diff_of_two_dicts doc env_var exceptions execute flags fromjson fromyaml graph invocation_args_dict
    invocation_id kwargs larder load_agate_table load_result local_md5 log model modules post_hooks pre_hooks print
    project_name ref render return run_query run_started_at schema schemas selected_resources set set_strict source sql
    statement store_raw_result store_result target this thread_id tojson toyaml try_or_compiler_error validate validation var
    varargs zip zip_strict
"""
CONTEXT = frozenset(WORDS.split())
"""What dbt offers to every file besides the macros."""


def faults(code: str, macros: Mapping[str, str]) -> Iterator[tuple[int, str]]:
    """Lines of a model's or test's code, each with what is wrong there. `macros` gives the code of each macro by its name."""
    try:
        tree = JINJA.parse(code)
    except TemplateSyntaxError:
        return  # dbt says so, with the line
    known = CONTEXT | {*macros}
    for name in sorted(meta.find_undeclared_variables(tree) - known):
        line = next((n for n, text in enumerate(code.splitlines(), 1) if re.search(rf"\b{name}\b", text)), 1)
        near = get_close_matches(name, known, 1, 0.7)
        yield line, f"{name} is no macro or variable{f'; did you mean {near[0]}?' if near else ''}"
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name in macros:
            yield from ((call.lineno, fault) for fault in _arguments(call, macros[call.node.name]))


def _arguments(call: nodes.Call, code: str) -> Iterator[str]:
    """What a call of a macro leaves out, or gives too much."""
    macro = next(JINJA.parse(code).find_all(nodes.Macro), None) if "macro" in code[:20] else None
    if macro is None or call.dyn_args or call.dyn_kwargs:
        return
    named = {argument.key for argument in call.kwargs}
    names = [argument.name for argument in macro.args]
    needed = names[len(call.args) : len(names) - len(macro.defaults)]
    signature = f"{macro.name}({', '.join(names)})"
    if missing := [name for name in needed if name not in named]:
        yield f"{signature} is called without {', '.join(missing)}"
    if len(call.args) > len(names) and "varargs" not in code:
        yield f"{signature} takes {len(names)} arguments, not {len(call.args)}"
