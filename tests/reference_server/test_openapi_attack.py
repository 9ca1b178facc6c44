"""Schemathesis reads the served OpenAPI document and attacks every operation in it, as a user and as nobody.

What it makes up fits the document, or breaks it on purpose: types, bounds, patterns, missing and unknown fields,
methods, content types. Whatever comes, the answer is one that the document lists, in its shape, and tells nothing
internal. Routes are attacked because they are in the document: a new one needs no line here.
"""

import warnings
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import Case, GenerationMode
    from schemathesis.specs.openapi import checks

EXAMPLES = 25  # per operation, way of making them up, and caller
LONG_EXAMPLES = 300

CHECKS = [
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.negative_data_rejection,
]
Check = Callable[..., None]


class Attack:
    """One server and its document."""

    def __init__(self, server: Any, check_told: Check) -> None:
        self._server = server
        self._check_told = check_told
        self._session = requests.Session()
        self._session.trust_env = False
        document = server.http.get("/schema/openapi.json").json()
        self.schema = schemathesis.openapi.from_dict(document)
        self.schema.config.update(base_url=server.record["http_url"])
        self.schema.config.checks.negative_data_rejection.expected_statuses += [
            "413"
        ]  # one way of being invalid is long
        user, other = server.user(1), server.user(2)
        conversation = server.group(user, other)
        user.send(conversation)
        # Some things that are there, to get past "there is no such": by the names that paths have for them.
        self.known = {"conversation_id": str(conversation), "user_id": str(other.id), "seq": 1}
        self.callers = (
            {"Authorization": f"Bearer {user.token}", "Operator-Key": "chatbench"},
            {"Authorization": "Bearer forged", "Operator-Key": "forged"},
            {},
        )

    @property
    def operations(self) -> list[Any]:
        """Every operation of the document."""
        return [found.ok() for found in self.schema.get_all_operations()]

    def strike(self, case: Case, headers: dict[str, str]) -> None:
        """Sends a case and judges the answer."""
        case.headers.update(headers)
        response = case.call(session=self._session, timeout=20)
        assert response.status_code < 500, f"{case.as_curl_command()}\n{response.text}"
        if response.status_code >= 400:
            said = case.path_parameters, case.query, case.headers, case.body
            self._check_told(response.text, said)
        case.validate_response(response, checks=CHECKS)

    def fuzz(self, operation: Any, mode: GenerationMode, headers: dict[str, str], examples: int) -> None:
        """Cases that hypothesis makes up, half of them about what is there."""
        named = {parameter.name for parameter in operation.path_parameters}
        known = {name: value for name, value in self.known.items() if name in named}
        cases = operation.as_strategy(mode)
        if known:
            cases |= operation.as_strategy(mode, path_parameters=known)

        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            derandomize=examples == EXAMPLES,
            suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.shrink),
        )
        @given(cases)
        def strike(case: Case) -> None:
            self.strike(case, headers)

        takes_something = any(True for _ in operation.iter_parameters()) or len(operation.body) > 0
        with nullcontext() if takes_something else suppress(Unsatisfiable):  # there may be nothing to break
            strike()

    def survived(self) -> None:
        """The server is as it was, and its log tells of no mistake."""
        assert self._server.http.get("/readyz").status_code == 200
        assert "error" not in {event["level"] for event in self._server.events()}


@pytest.fixture
def attack(tiny_url: str, launch: Any, check_told: Check) -> Attack:
    """A server on a database of its own: an attacker may change anything that the API lets them."""
    return Attack(launch(tiny_url), check_told)


def test_every_bound_of_the_document_is_kept(attack: Attack) -> None:
    """Values at, below and beyond each bound, each field missing, each type wrong, each method that is not there."""
    count = 0
    for operation in attack.operations:
        cases = attack.schema.iter_coverage_cases(
            operation,
            generation_modes=list(GenerationMode),
            generation_config=attack.schema.config.generation_for(operation=operation),
        )
        for case in cases:
            attack.strike(case, attack.callers[0])
            count += 1
    assert count > 10 * len(attack.operations)
    attack.survived()


def test_nothing_made_up_breaks_it(attack: Attack, pytestconfig: pytest.Config) -> None:
    """Valid and invalid requests of a user, of someone with forged keys and of nobody."""
    examples = LONG_EXAMPLES if pytestconfig.getoption("--long") else EXAMPLES
    for operation in attack.operations:
        for mode in GenerationMode:
            for headers in attack.callers:
                attack.fuzz(operation, mode, headers, examples)
    attack.survived()
