from policy_world import EVERYTHING, World, budget


def found(*rules, **top):
    return [(finding.rule_id, finding.code) for finding in World(*rules, **top).engine.lint()]


def allow(*tools, **more):
    return {"id": "yes", "effect": "allow", "tools": list(tools), **more}


def deny(*tools, **more):
    return {"id": "no", "effect": "deny", "tools": list(tools), **more}


def test_an_allow_that_a_deny_covers_is_unreachable():
    unreachable = [("yes", "unreachable_allow")]
    assert found(allow("a/b"), deny("a/*")) == unreachable
    assert found(allow("a/b", "a/c"), deny("a/**")) == unreachable
    assert found(allow("a/*/c"), deny("a/**")) == unreachable
    assert found(allow("a/b"), {"id": "no", "effect": "deny"}) == unreachable
    assert found(allow("a/b", agents=["x"]), deny("a/b", agents=["x*"])) == unreachable


def test_an_allow_of_which_something_is_left_is_fine():
    assert found(allow("a/b", "b/c"), deny("a/*")) == []
    assert found(allow("a/**"), deny("a/*")) == []
    assert found(allow("a/b"), deny("a/b", when={"args.x": 1})) == []
    assert found(allow("a/b"), deny("a/b", agents=["x"])) == []
    assert found(EVERYTHING, deny("a/b")) == []


def test_an_allow_under_a_default_of_allow_is_pointless():
    assert found(allow("a"), default="allow") == [("yes", "pointless_allow")]


def test_windows_that_never_open():
    def window(name, tools=("t",), **spans):
        return {"id": name, "effect": "window", "tools": list(tools), **spans}

    assert found(window("w", open=["Mon 08:00-09:00"], closed=["Mon"])) == [("w", "window_never_opens")]
    assert found(window("w", open=["2020-01-01"])) == [("w", "window_never_opens")]
    assert found(window("w", open=["Mon"]), window("x", open=["Tue"])) == [("w", "window_never_opens")]
    assert found(window("w", open=["Mon"]), window("x", tools=["u"], open=["Tue"])) == []
    assert found(window("w", open=["Mon"]), window("x", open=["Mon 08:00-09:00"])) == []


def test_a_limit_under_the_smallest_cost():
    assert found(budget("1", tools=["p/**"]), costs={"p/x": "2", "p/y": "1.5", "q": "0"}) == [
        ("money", "limit_below_cost")
    ]
    assert found(budget("1.5", tools=["p/**"]), costs={"p/x": "2", "p/y": "1.5"}) == []


def test_findings_say_where():
    (finding,) = World(allow("a"), default="allow").engine.lint()
    assert (finding.file, finding.line) == ("policy.yaml", 1)
