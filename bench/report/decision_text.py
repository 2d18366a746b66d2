"""The English for what the schedule of a run decided."""

from bench.results.records import Decision, DecisionKind


def decision_text(decision: Decision) -> str:
    """Return one sentence: which strategy sat out some rounds and why, or why the run ended."""
    after = f"After round {decision.round}"
    match decision.kind:
        case DecisionKind.STRATEGY_RESTS:
            return f"{after}: {decision.strategy} was not run again: it is slow, and its cost is far from all others."
        case DecisionKind.ROUNDS_DONE:
            return f"{after}: stopped, as requested with --rounds or --quick."
        case DecisionKind.MOST_ROUNDS:
            return f"{after}: stopped, a run has at most {decision.round} rounds unless --rounds asks for more."
        case DecisionKind.BUDGET:
            return f"{after}: stopped, another round would exceed the time limit of {decision.seconds:.0f} s."
        case DecisionKind.PAIRS_SETTLED:
            return (
                f"{after}: stopped, all neighbours in cost are significantly different or equal within "
                f"{decision.equal_within:.0%}."
            )
        case DecisionKind.RECORDED:
            return decision.text[:1].upper() + decision.text[1:]
