//! The queue in simulated time.

use super::*;
use proptest::prelude::*;

const START: Timestamp = Timestamp::from_micros(1_700_000_000_000_000);

fn queue(batch: usize, rate: Option<f64>) -> Queue {
    Queue::new(Manner { rate, batch, give_up: Duration::from_hours(72), seed: 7 })
}

fn sent(queue: &mut Queue, now: Timestamp) -> Parcel {
    match queue.next(now) {
        Next::Send(parcel) => parcel,
        other => panic!("{other:?}"),
    }
}

/// Sends one event to nobody until it is given up: when each attempt was.
fn attempts(queue: &mut Queue, fault: Fault) -> Vec<Duration> {
    let (mut now, mut times) = (START, Vec::new());
    loop {
        match queue.next(now) {
            Next::Wait(until) => {
                assert!(until > now, "it waits for what has passed");
                now = until;
            }
            Next::Idle => return times,
            Next::Send(parcel) => {
                times.push(now.since(START));
                if let Fate::GivenUp(parcel) = queue.failed(parcel, fault, None, now) {
                    assert_eq!(parcel.attempts as usize, times.len());
                }
            }
        }
    }
}

#[test]
fn three_days_are_filled_ever_more_slowly_and_the_last_attempt_is_at_their_end() {
    for seed in 0..200 {
        let of = |fault| {
            let mut queue = Queue::new(Manner { rate: None, batch: 1, give_up: Duration::from_hours(72), seed });
            queue.add(1, subject("f-1"));
            let times = attempts(&mut queue, fault);
            assert_eq!((queue.len(), times[0]), (0, Duration::ZERO));
            times
        };
        assert_eq!(of(Fault::Parcel).last(), Some(&Duration::from_hours(72)));
        let times = of(Fault::Endpoint);
        let end = times.last().copied().unwrap_or_default();
        // The breaker may hold the last one back.
        assert!(end >= Duration::from_hours(72) && end <= Duration::from_hours(72) + OPEN.1 * 2, "{times:?}");
        assert!((13..=18).contains(&times.len()), "{} attempts", times.len());
        assert!(times[1] >= Duration::from_millis(800) && times[1] <= Duration::from_millis(1_200), "{times:?}");
    }
}

#[test]
fn those_who_failed_together_do_not_come_back_together() {
    let of = |seed| {
        let mut queue = Queue::new(Manner { rate: None, batch: 1, give_up: Duration::from_hours(72), seed });
        queue.add(1, 1);
        attempts(&mut queue, Fault::Parcel)[3]
    };
    let times: BTreeSet<Duration> = (0..50).map(of).collect();
    assert!(times.len() > 10, "{times:?}");
}

#[test]
fn a_subject_waits_for_itself_and_for_nobody_else() {
    let mut queue = queue(1, None);
    for (sequence, name) in [(1, "a"), (2, "a"), (3, "b"), (4, "a")] {
        queue.add(sequence, subject(name));
    }
    let first = sent(&mut queue, START);
    assert_eq!(first.members, [1]);
    queue.failed(first, Fault::Parcel, None, START);
    let other = sent(&mut queue, START);
    assert_eq!(other.members, [3], "2 waits for 1");
    queue.delivered(&other, START);
    let Next::Wait(until) = queue.next(START) else { panic!("2 left before 1") };
    let again = sent(&mut queue, until);
    assert_eq!((again.members.as_slice(), again.attempts), ([1].as_slice(), 2));
    queue.delivered(&again, until);
    for expected in [2, 4] {
        let parcel = sent(&mut queue, until);
        assert_eq!(parcel.members, [expected]);
        queue.delivered(&parcel, until);
    }
    assert_eq!(queue.next(until), Next::Idle);
}

#[test]
fn a_receiver_that_asks_for_time_gets_it_but_not_a_year() {
    let mut queue = queue(1, None);
    queue.add(1, 1);
    queue.add(2, 2);
    let parcel = sent(&mut queue, START);
    queue.failed(parcel, Fault::Endpoint, Some(Duration::from_mins(7)), START);
    assert_eq!(queue.next(START), Next::Wait(START.after(Duration::from_mins(7))), "others are held too");
    let later = START.after(Duration::from_mins(7));
    let parcel = sent(&mut queue, later);
    queue.failed(parcel, Fault::Endpoint, Some(Duration::from_hours(9_000)), later);
    assert_eq!(queue.next(later), Next::Wait(later.after(LONGEST_ASKED)));
}

#[test]
fn a_dead_endpoint_is_tried_now_and_then_and_when_it_lives_everything_goes() {
    let mut queue = queue(1, None);
    for sequence in 0..1_000 {
        queue.add(sequence, sequence);
    }
    let (mut now, mut tried) = (START, 0);
    while now < START.after(Duration::from_hours(1)) {
        match queue.next(now) {
            Next::Send(parcel) => {
                tried += 1;
                queue.failed(parcel, Fault::Endpoint, None, now);
            }
            Next::Wait(until) => now = until,
            Next::Idle => panic!("nothing waits"),
        }
    }
    assert!(queue.is_open());
    assert!((8..=20).contains(&tried), "{tried} attempts in an hour");
    let mut arrived = 0;
    for _ in 0..2_000 {
        match queue.next(now) {
            Next::Send(parcel) => {
                arrived += 1;
                queue.delivered(&parcel, now);
            }
            Next::Wait(until) => {
                assert_eq!(arrived, 0, "after the first one nothing waits");
                now = until;
            }
            Next::Idle => break,
        }
    }
    assert_eq!((arrived, queue.len(), queue.is_open()), (1_000, 0, false));
}

#[test]
fn what_the_receiver_refuses_does_not_make_it_dead() {
    let mut queue = queue(1, None);
    for sequence in 0..100 {
        queue.add(sequence, sequence);
    }
    for _ in 0..100 {
        let parcel = sent(&mut queue, START);
        queue.failed(parcel, Fault::Parcel, None, START);
    }
    assert!(!queue.is_open());
}

#[test]
fn a_rate_is_kept() {
    let mut queue = queue(10, Some(5.0));
    for sequence in 0..100 {
        queue.add(sequence, sequence);
    }
    let mut now = START;
    loop {
        match queue.next(now) {
            Next::Send(parcel) => queue.delivered(&parcel, now),
            Next::Wait(until) => now = until,
            Next::Idle => break,
        }
    }
    assert_eq!(now.since(START), Duration::from_secs(18), "ten parcels of ten at five a second");
}

#[test]
fn a_clock_that_was_set_back_holds_nothing_for_ever() {
    let mut queue = queue(1, None);
    queue.add(1, 1);
    let far = START.after(Duration::from_hours(9_000)).micros();
    queue.restore(Parcel { members: vec![1, 9], attempts: 3, begun: Some(far), due: far, why: String::new() }, START);
    let Next::Wait(until) = queue.next(START) else { panic!("it is due") };
    assert!(until <= START.after(LONGEST_ASKED));
    assert_eq!(sent(&mut queue, until).members, [1], "what is no more is no member");
}

proptest! {
    /// Whatever fails, in whatever order: each event arrives once or is given up, in the order of its subject.
    #[test]
    fn order_holds_whatever_fails(
        subjects in prop::collection::vec(0u64..6, 1..80),
        fates in prop::collection::vec(0u8..4, 1..64),
        batch in 1usize..7,
    ) {
        let mut queue = queue(batch, None);
        let mut pending = subjects.iter().enumerate();
        let (mut now, mut step, mut gone) = (START, 0usize, Vec::new());
        loop {
            // Events come while others leave.
            for (sequence, subject) in pending.by_ref().take(3) {
                queue.add(sequence as u64, *subject);
            }
            match queue.next(now) {
                Next::Send(parcel) => {
                    step += 1;
                    let fate = fates[step % fates.len()];
                    if fate == 0 || step > 2_000 {
                        gone.extend(parcel.members.clone());
                        queue.delivered(&parcel, now);
                    } else {
                        let fault = if fate == 1 { Fault::Parcel } else { Fault::Endpoint };
                        if let Fate::GivenUp(parcel) = queue.failed(parcel, fault, None, now) {
                            gone.extend(parcel.members);
                        }
                    }
                }
                Next::Wait(until) => now = until,
                Next::Idle if pending.len() == 0 => break,
                Next::Idle => {}
            }
        }
        let mut sorted = gone.clone();
        sorted.sort_unstable();
        prop_assert_eq!(sorted, (0..subjects.len() as u64).collect::<Vec<_>>());
        for subject in 0..6 {
            let line: Vec<u64> = gone.iter().copied().filter(|it| subjects[*it as usize] == subject).collect();
            prop_assert!(line.is_sorted(), "{:?}", line);
        }
    }
}
