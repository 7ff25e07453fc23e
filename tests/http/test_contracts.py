"""contracts.py is whole: every row of the contracts has an endpoint and tests, every defect has
tests or the stage that it waits for, and each test that is named is there."""

import ast
import glob
import os
import re

import contracts
import harness
from harness import check, check_equal

SETTINGS = {'rate.enabled': 'false'}
HERE = os.path.dirname(os.path.abspath(__file__))


def tests_there():
    """{FILE.FUNCTION} of all test files, without the test_ of both."""
    found = set()
    for path in glob.glob(os.path.join(HERE, 'test_*.py')):
        file = os.path.basename(path)[len('test_'):-len('.py')]
        tree = ast.parse(open(path, encoding='utf-8').read())
        found |= {f'{file}.{node.name[len("test_"):]}' for node in tree.body
                  if isinstance(node, ast.FunctionDef) and node.name.startswith('test_')}
    return found


def named():
    """(what, tests) of every line that names tests."""
    for contract, (rows, _count) in contracts.ROWS.items():
        for number, (_method, _path, tests) in rows.items():
            yield f'{contract} row {number}', tests
    for contract, (defects, _count) in contracts.DEFECTS.items():
        for number, (_what, tests) in defects.items():
            if tests != contracts.LATER:
                yield f'{contract} defect {number}', tests


def complaints_about(lines, there):
    complaints = [f'{what} has no test' for what, tests in lines if not tests]
    return complaints + [f'{what}: there is no {test}' for what, tests in lines for test in tests
                         if test not in there]


def test_every_row_and_defect_has_tests_that_are_there():
    complaints = complaints_about(list(named()), tests_there())
    check(not complaints, '\n'.join(complaints))


def test_no_number_is_missing():
    for table in (contracts.ROWS, contracts.DEFECTS):
        for contract, (lines, count) in table.items():
            check_equal(sorted(lines), list(range(1, count + 1)), contract)


def test_every_row_has_an_endpoint(server):
    document = server.client().get('/openapi.json').json
    there = {(method.upper(), re.sub(r'\{\w+\}', '{}', path))
             for path, item in document['paths'].items() for method in item}
    missing = [f'{contract} row {number}: {method} {path}'
               for contract, (rows, _count) in contracts.ROWS.items()
               for number, (method, path, _tests) in rows.items()
               if (method, re.sub(r'\{\w+\}', '{}', path)) not in there]
    check(not missing, '\n'.join(missing))


def test_tests_of_defects_are_listed():
    """Whoever writes a test of a defect puts it into the table."""
    listed = {test for _what, tests in named() for test in tests}
    wanted = {test for test in tests_there()
              if re.match(r'\w+\.(defects?|fix)_\d+_', test)}
    check(wanted, 'no test is named after a defect')
    check_equal(sorted(wanted - listed), [])


def test_a_broken_table_is_noticed():
    lines = [('row 1', ['auth.me']), ('row 2', []), ('row 3', ['auth.no_such_test'])]
    check_equal(complaints_about(lines, tests_there()),
                ['row 2 has no test', 'row 3: there is no auth.no_such_test'])


harness.main(globals())
