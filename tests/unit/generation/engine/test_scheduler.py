"""What is computed next: streams before prompts, people before batches, and never over budget."""

import pytest

from generation.engine.pages import PagePool
from generation.engine.scheduler import Scheduler, SchedulerLimits, SchedulerLimitsError
from generation.engine.sequence import Deadlines, Priority, Sequence
from tests.unit.generation.engine.scheduling import Simulation, continuation, limits, request


def simulation(*, num_pages: int = 16, **changes: int) -> Simulation:
    return Simulation(num_pages=num_pages, limits=limits(**changes))


def test_a_prompt_is_computed_in_chunks_of_the_budget() -> None:
    sim = simulation(max_batch_tokens=8)
    sequence = sim.submit_one(range(20))
    works = [sim.step() for _ in range(3)]
    assert [(work.start, work.end, work.completes) for [work] in works] == [
        (0, 8, False),
        (8, 16, False),
        (16, 20, True),
    ]
    assert len(sequence.output_ids) == 1


def test_streams_go_on_while_a_long_prompt_is_read() -> None:
    sim = simulation(max_batch_tokens=8)
    stream = sim.submit_one([1, 2], max_tokens=20)
    sim.step()
    sim.submit_one(range(40))
    for num_said in range(2, 7):
        chunk = sim.step()
        assert [work.num_tokens for work in chunk] == [1, 7]
        assert len(stream.output_ids) == num_said


def test_a_step_mixes_streams_half_read_prompts_and_new_ones() -> None:
    sim = simulation(max_batch_tokens=10)
    stream = sim.submit_one([1, 2], max_tokens=20)
    half_read = sim.submit_one(range(10, 25))
    sim.step()
    new = sim.submit_one([9])
    works = sim.step()
    assert [(work.sequence, work.num_tokens) for work in works] == [
        (stream, 1),
        (half_read, 7),
        (new, 1),
    ]


def test_no_more_run_than_there_are_seats() -> None:
    sim = simulation(max_sequences=2)
    for _ in range(5):
        sim.submit_one([1, 2, 3])
    sim.step()
    assert (sim.scheduler.num_running, sim.scheduler.num_waiting) == (2, 3)
    sim.run()
    assert len(sim.ended) == 5


def test_the_queue_says_when_it_is_full() -> None:
    sim = simulation(max_waiting=2)
    sim.submit_one([1])
    assert not sim.scheduler.is_full
    sim.submit(request([1], num_samples=3))
    assert sim.scheduler.is_full


def test_a_known_prefix_is_not_computed_again() -> None:
    sim = simulation()
    first = sim.submit_one(range(20))
    sim.run()
    second = sim.submit_one([*range(18), 98, 99])
    [work] = sim.step()
    assert (first.num_reused, second.num_reused) == (0, 16)
    assert (work.start, work.num_tokens) == (16, 4)


def test_the_last_token_is_always_computed() -> None:
    sim = simulation()
    sim.submit_one(range(8))
    sim.run()
    again = sim.submit_one(range(8))
    [work] = sim.step()
    assert (again.num_reused, work.start, work.end) == (4, 4, 8)


def test_a_conversation_finds_what_was_said_before() -> None:
    sim = simulation()
    first = sim.submit_one(range(6), max_tokens=7)
    sim.run()
    second = sim.submit_one([*range(6), *first.output_ids, 50, 51, 52])
    sim.step()
    assert second.num_reused == 12  # the last token said was never computed
    assert second.pages == list(range(second.pages[0], second.pages[0] + len(second.pages)))


def test_tenants_share_nothing() -> None:
    sim = simulation()
    sim.submit_one(range(20), tenant="north")
    sim.run()
    other = sim.submit_one(range(20), tenant="south")
    sim.run()
    assert other.num_reused == 0


def test_scoring_computes_every_token_whose_logits_are_wanted() -> None:
    sim = simulation()
    sim.submit_one(range(20))
    sim.run()
    scored = sim.submit_one(range(20), score_from=9)
    [work] = sim.step()
    assert scored.num_reused == 8  # the logits after token 8 say how likely token 9 was
    assert (work.start, work.end) == (8, 20)
    scored = sim.submit_one(range(20), score_from=8)
    sim.step()
    assert scored.num_reused == 4


def test_siblings_wait_for_the_prompt_and_then_share_it() -> None:
    sim = simulation(max_batch_tokens=8)
    first, *others = sim.submit(request(range(18), num_samples=3))
    for _ in range(2):
        assert {work.sequence for work in sim.step()} == {first}
    assert sim.scheduler.num_waiting == 2
    sim.step()
    works = sim.step()
    assert [work.sequence for work in works] == [first, *others]
    assert [other.num_reused for other in others] == [16, 16]
    assert all(other.pages[:4] == first.pages[:4] for other in others)
    assert len({sequence.pages[4] for sequence in (first, *others)}) == 3


def test_where_the_first_sample_is_gone_the_next_computes_the_prompt() -> None:
    sim = simulation(max_batch_tokens=8)
    first, second, third = sim.submit(request(range(18), num_samples=3))
    sim.step()
    sim.scheduler.remove(first)
    assert [work.sequence for work in sim.step()] == [second]
    sim.scheduler.remove(second)
    sim.run()
    assert sim.ended == [third]
    assert third.output_ids == continuation(range(18), 4)


def test_right_guesses_save_steps_and_wrong_ones_change_nothing() -> None:
    sim = simulation()
    sequence = sim.submit_one([3, 1, 4], max_tokens=9)
    sim.step()
    right = continuation([3, 1, 4, *sequence.output_ids], 4)
    sequence.guesses = [*right, 6 - right[-1]]
    [work] = sim.step()
    assert (work.num_tokens, work.num_guesses) == (6, 5)
    assert len(sequence.output_ids) >= 1 + 5
    sim.run()
    assert sequence.output_ids == continuation([3, 1, 4], 9)


def test_guesses_give_way_to_the_budget_the_context_and_the_pages() -> None:
    sim = simulation(max_batch_tokens=9, max_context=12, num_pages=5)
    sequence = sim.submit_one([1, 2, 3], max_tokens=30)
    sim.step()
    sequence.guesses = [0] * 20
    assert [work.num_guesses for work in sim.step()] == [4]  # half of the budget is for prompts
    while sequence.num_tokens < 11:
        sequence.guesses = [0] * 20
        sim.step()
    sequence.guesses = [0] * 20
    assert [work.num_guesses for work in sim.step()] == [1]


def test_a_guess_preempts_nobody() -> None:
    sim = simulation(num_pages=4, max_context=16)
    one, two = sim.submit_one([1, 2, 3]), sim.submit_one([4, 5, 6, 4, 4, 5])
    sim.step()
    assert sim.pool.num_free == 1
    one.guesses = [0] * 8
    works = {work.sequence: work for work in sim.step()}
    assert works[one].num_guesses == 4  # as far as the free page goes
    assert two.num_preemptions == 0


def test_people_come_before_batches() -> None:
    sim = simulation(max_sequences=1)
    batch = sim.submit_one([1, 2], priority=Priority.BATCH)
    chat = sim.submit_one([3, 4])
    sim.run()
    assert sim.ended == [chat, batch]


def test_a_batch_waits_while_a_chat_finds_no_pages() -> None:
    sim = simulation(num_pages=4, max_context=16)
    running = sim.submit_one(range(10), max_tokens=3)
    sim.step()
    chat = sim.submit_one(range(20, 30), max_tokens=1)
    batch = sim.submit_one([1], priority=Priority.BATCH, max_tokens=1)
    sim.run()
    assert sim.ended == [running, chat, batch]


def test_a_chat_takes_the_seat_of_the_latest_batch() -> None:
    sim = simulation(max_sequences=2)
    first, second = (sim.submit_one([n] * 9, priority=Priority.BATCH) for n in (1, 2))
    sim.step()
    second.guesses = [0]
    chat = sim.submit_one([5, 5])
    assert {work.sequence for work in sim.step()} == {first, chat}
    assert (first.num_preemptions, second.num_preemptions) == (0, 1)
    assert (second.num_computed, second.guesses, second.pages) == (0, [], [])
    sim.run()
    assert second.output_ids == continuation([2] * 9, 4)
    assert second.num_reused == 0  # what it found was its own


def test_a_chat_takes_the_pages_of_the_latest_batch() -> None:
    sim = simulation(num_pages=8, max_context=32)
    first = sim.submit_one(range(10), priority=Priority.BATCH)
    second = sim.submit_one(range(20, 30), priority=Priority.BATCH)
    sim.step()
    chat = sim.submit_one(range(40, 50))
    sim.step()
    assert chat.num_computed > 0
    assert (first.num_preemptions, second.num_preemptions) == (0, 1)
    sim.run()
    assert second in sim.ended


def test_nobody_is_preempted_where_it_would_not_be_enough() -> None:
    sim = simulation(num_pages=8, max_context=32)
    running = sim.submit_one(range(16), max_tokens=3)
    batch = sim.submit_one(range(20, 28), priority=Priority.BATCH, max_tokens=3)
    sim.step()
    chat = sim.submit_one(range(40, 60))
    sim.run()
    assert sim.ended == [running, batch, chat]
    assert batch.num_preemptions == 0


def test_the_latest_is_preempted_and_finds_its_pages_again() -> None:
    sim = simulation(num_pages=6, max_context=24)
    first = sim.submit_one(range(8), max_tokens=12)
    second = sim.submit_one(range(10, 18), max_tokens=12)
    sim.run()
    assert first.num_preemptions == 0
    assert second.num_preemptions > 0
    assert sim.ended == [first, second]
    assert second.output_ids == continuation(range(10, 18), 12)


def test_a_preempted_sequence_is_the_next_of_its_tenant() -> None:
    sim = simulation(max_sequences=1)
    batch = sim.submit_one([1, 2], priority=Priority.BATCH)
    sim.step()
    later = sim.submit_one([3, 4], priority=Priority.BATCH)
    chat = sim.submit_one([5, 6])
    sim.run()
    assert sim.ended == [chat, batch, later]


def test_removing_frees_pages_at_any_moment() -> None:
    sim = simulation(max_batch_tokens=8, max_sequences=2)
    half_read, queued = sim.submit_one(range(20)), sim.submit_one(range(20, 40))
    waiting = sim.submit_one([1])
    sim.step()
    for sequence in (waiting, half_read, queued, half_read):
        sim.scheduler.remove(sequence)
        sim.scheduler.check()
    assert not sim.scheduler.has_work
    assert sim.pool.usage == 0


def test_work_of_a_removed_sequence_completes_nothing() -> None:
    sim = simulation()
    sequence = sim.submit_one(range(20))
    [work] = sim.scheduler.schedule()
    sim.scheduler.remove(sequence)
    sim.scheduler.complete(work)
    assert sequence.num_computed == 0
    sim.scheduler.check()


def test_the_queue_deadline_ends_with_the_first_computation() -> None:
    sim = simulation(max_sequences=1)
    allowed = Deadlines(queue_s=5)
    begun = sim.submit_one(range(9), deadlines=allowed, submitted_at=0.0)
    left = sim.submit_one(range(9), deadlines=allowed, submitted_at=1.0)
    sim.step()
    assert sim.scheduler.expired(4.9) == []
    assert sim.scheduler.expired(5.9) == []
    assert sim.scheduler.expired(6.0) == [left]
    assert begun in sim.scheduler.sequences()


def test_siblings_have_begun_when_their_first_has() -> None:
    sim = simulation(max_batch_tokens=8)
    sim.submit(request(range(20), num_samples=2, deadlines=Deadlines(queue_s=1), submitted_at=0.0))
    late = sim.submit(request([9], num_samples=2, deadlines=Deadlines(queue_s=1), submitted_at=0.0))
    sim.step()
    assert set(sim.scheduler.expired(2.0)) == set(late)


def test_a_sibling_that_is_added_later_has_begun_as_well() -> None:
    sim = simulation(max_batch_tokens=8)
    asked = request(range(20), num_samples=2, deadlines=Deadlines(queue_s=1), submitted_at=0.0)
    sim.scheduler.add(Sequence(request=asked))
    sim.step()
    sim.scheduler.add(Sequence(request=asked, sample=1))
    assert sim.scheduler.expired(2.0) == []


def test_only_tokens_that_the_output_kept_count_as_computed() -> None:
    sim = simulation()
    sequence = sim.submit_one([1, 2, 3], max_tokens=9)
    sim.step()
    sequence.guesses = [4, 5, 6, 4, 5]
    [work] = sim.scheduler.schedule()
    sequence.output_ids += [4, 5]  # 6 was right as well, but ends the answer
    sim.scheduler.complete(work, num_accepted=5)
    assert sequence.num_computed == sequence.num_tokens == 6
    owner = sequence.request.cache_key
    assert len(sim.pool.find_prefix(sequence.token_ids(0, 6), owner=owner)) == 1


def test_the_first_token_deadline_ends_with_output_and_the_total_one_never() -> None:
    sim = simulation(max_batch_tokens=8)
    allowed = Deadlines(first_token_s=5, total_s=10)
    answered = sim.submit_one([1], max_tokens=9, deadlines=allowed, submitted_at=0.0)
    read = sim.submit_one(range(50), deadlines=allowed, submitted_at=0.0)
    sim.step()
    assert sim.scheduler.expired(5.0) == [read]
    sim.scheduler.remove(read)
    assert sim.scheduler.expired(9.0) == []
    assert sim.scheduler.expired(10.0) == [answered]


def test_sequences_side_by_side_each_lie_in_one_run() -> None:
    sim = Simulation(num_pages=40, limits=limits(), keeps_runs=True)
    sequences = [sim.submit_one([n] * 3, max_tokens=20) for n in range(4)]
    for _ in range(18):
        sim.step()
    for sequence in sequences:
        assert sequence.pages == list(range(sequence.pages[0], sequence.pages[0] + 5))


def test_a_prefix_that_another_goes_on_from_is_copied_where_runs_are_kept() -> None:
    sim = Simulation(num_pages=40, limits=limits(), keeps_runs=True)
    first = sim.submit_one(range(12), max_tokens=8)
    sim.step()
    second = sim.submit_one([*range(8), 98, 99], max_tokens=8)
    work = next(work for work in sim.step() if work.sequence is second)
    assert second.num_reused == work.start == 8
    assert work.copies == ((0, 5), (1, 6))
    assert second.pages == [5, 6, 7]
    sim.run()
    assert first.output_ids == continuation(range(12), 8)
    assert second.output_ids == continuation([*range(8), 98, 99], 8)


def test_who_shares_a_prompt_leaves_the_first_its_run() -> None:
    sim = Simulation(num_pages=40, limits=limits(), keeps_runs=True)
    first = sim.submit_one(range(8), max_tokens=20)
    sim.step()
    second = sim.submit_one([*range(8), 9], max_tokens=20)
    for _ in range(15):
        sim.step()
    assert first.pages == list(range(6))
    assert second.pages == list(range(second.pages[0], second.pages[0] + 6))


def test_a_prefix_is_shared_where_the_sequence_can_go_on_after_it() -> None:
    sim = Simulation(num_pages=40, limits=limits(), keeps_runs=True)
    first = sim.submit_one(range(12))
    sim.run()
    sim.submit_one([*range(12), *first.output_ids, 98, 99])
    [work] = sim.step()
    assert work.copies == ()
    assert work.sequence.pages == [0, 1, 2, 3, 4]


def test_a_prefix_is_shared_where_there_is_no_room_for_a_copy() -> None:
    sim = Simulation(num_pages=5, limits=limits(max_context=20), keeps_runs=True)
    sim.submit_one(range(12), max_tokens=4)
    sim.step()
    second = sim.submit_one([*range(8), 9], max_tokens=2)
    sim.step()
    assert second.pages[:2] == [0, 1]


def test_a_context_that_pages_cannot_hold_is_refused() -> None:
    with pytest.raises(SchedulerLimitsError, match="max_context is 65 but 16 pages hold only 64"):
        Scheduler(PagePool(16, page_size=4), limits(max_context=65))


def test_a_budget_below_a_token_a_sequence_is_refused() -> None:
    with pytest.raises(SchedulerLimitsError, match="must be at least max_sequences, 8"):
        limits(max_batch_tokens=7)
    with pytest.raises(SchedulerLimitsError, match="at least 1"):
        SchedulerLimits(max_batch_tokens=1, max_sequences=1, max_waiting=0, max_context=1)
