"""A tenant that asks much does not keep another waiting."""

from generation.engine.sequence import Priority
from tests.unit.generation.engine.scheduling import Simulation, limits, request


def simulation(**changes: int) -> Simulation:
    return Simulation(num_pages=64, limits=limits(**changes))


def test_a_single_request_overtakes_a_hundred_of_another_tenant() -> None:
    sim = simulation(max_sequences=1, max_waiting=200)
    for n in range(100):
        sim.submit_one([n % 7, n // 7], tenant="busy", max_tokens=3)
    for _ in range(10):
        sim.step()
    single = sim.submit_one([1, 2], tenant="quiet", max_tokens=3)
    before = len(sim.ended)
    while single not in sim.ended:
        sim.step()
    assert sim.ended.index(single) - before <= 1


def test_tenants_take_turns_by_tokens_and_not_by_requests() -> None:
    sim = simulation(max_sequences=1)
    long = [sim.submit_one(range(n, n + 40), tenant="long", max_tokens=1) for n in range(3)]
    short = [sim.submit_one(range(n, n + 10), tenant="short", max_tokens=1) for n in range(12)]
    sim.run()
    places = [sim.ended.index(sequence) for sequence in long]
    assert places == [0, 5, 10]
    assert [each for each in sim.ended if each in short] == short


def test_a_tenant_saves_up_nothing_while_it_asks_nothing() -> None:
    sim = simulation(max_sequences=1)
    for n in range(10):
        sim.submit_one(range(n, n + 10), tenant="steady", max_tokens=1)
        sim.run()
    late = [sim.submit_one(range(n, n + 10), tenant="late", max_tokens=1) for n in range(5)]
    steady = [sim.submit_one(range(n, n + 5), tenant="steady", max_tokens=1) for n in range(20, 25)]
    sim.run()
    places = [sim.ended.index(sequence) for sequence in steady]
    assert places[0] < sim.ended.index(late[2])


def test_one_tenants_requests_are_served_in_their_order() -> None:
    sim = simulation(max_sequences=1)
    sequences = [sim.submit_one([n]) for n in range(6)]
    sim.run()
    assert sim.ended == sequences


def test_preemption_is_not_billed_to_who_suffers_it() -> None:
    sim = simulation(max_sequences=1, max_batch_tokens=20)
    victim = sim.submit_one(range(30), tenant="victim", priority=Priority.BATCH, max_tokens=1)
    sim.step()
    other = sim.submit_one(range(40, 70), tenant="other", priority=Priority.BATCH, max_tokens=1)
    chat = sim.submit_one([1], max_tokens=1)
    sim.run()
    assert sim.ended == [chat, victim, other]
    assert victim.num_preemptions == 1


def test_no_account_is_kept_of_tenants_that_are_even() -> None:
    sim = simulation(max_sequences=1)
    for n in range(50):
        sim.submit_one([n % 7], tenant=f"tenant {n}", max_tokens=1)
    sim.run()
    sim.submit_one([1] * 30, tenant="last", max_tokens=1)
    sim.run()
    sim.submit_one([1], tenant="last", max_tokens=1)
    sim.run()
    assert set(sim.scheduler._waiting._queues[Priority.CHAT]._clocks) <= {"last"}


def test_a_request_that_waits_knows_how_many_wait_before_it() -> None:
    sim = simulation(max_sequences=1)
    first, second = sim.submit_one([1], max_tokens=2), sim.submit_one([2], max_tokens=2)
    scored = sim.submit_one([3, 4], score_from=1)
    batch = sim.submit_one([5], priority=Priority.BATCH)
    many = sim.submit(request([6], num_samples=3, max_tokens=2))
    sim.step()
    waiting = [second, scored, *many, batch]
    assert first.num_before is None
    assert [each.num_before for each in waiting] == [0, 1, 1, 1, 1, 2]
    sim.scheduler.remove(second)
    sim.step()
    assert [each.num_before for each in (scored, *many, batch)] == [0, 0, 0, 0, 1]
