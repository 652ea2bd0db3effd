use std::time::SystemTime;

use super::*;

fn outbox(pending_messages: usize, pending_bytes: usize) -> Outbox {
    let limits = Limits {
        pending_messages,
        pending_bytes,
        ..Limits::default()
    };
    Outbox::new(&limits, Arc::new(Metrics::new()))
}

fn broadcast(text: &str) -> Frame {
    Frame::broadcast(text.to_owned(), SystemTime::UNIX_EPOCH)
}

fn answer(text: &str) -> Frame {
    Frame::answer(text.to_owned())
}

fn publish(outbox: &Outbox, texts: &[&str]) {
    texts
        .iter()
        .for_each(|text| outbox.publish(broadcast(text), &standing(), ALL));
}

const ALL: Granted = Granted::NONE.with(0);

fn standing() -> Standing {
    Standing::new(ALL)
}

async fn next(outbox: &Outbox) -> (Vec<String>, Option<ResetReason>) {
    outbox.ready().await;
    match outbox.take(outbox.pending_reset()) {
        Some(Taken::Frames { frames, reset }) => (
            frames.iter().map(|f| f.as_str().to_owned()).collect(),
            reset,
        ),
        other => panic!("{other:?}"),
    }
}

async fn closed(outbox: &Outbox) -> Option<CloseCode> {
    outbox.ready().await;
    match outbox.take(None) {
        Some(Taken::Close(code)) => Some(code),
        _ => None,
    }
}

const LAGGED: Option<ResetReason> = Some(ResetReason::Lagged);

#[tokio::test]
async fn frames_leave_in_order_then_the_reset_then_the_close() {
    let outbox = outbox(8, 1024);
    publish(&outbox, &["a"]);
    outbox.reset(ResetReason::Epoch);
    publish(&outbox, &["b"]);
    outbox.close(CloseCode::GoingAway);
    outbox.close(CloseCode::TooSlow);
    publish(&outbox, &["too late"]);
    let (frames, reset) = next(&outbox).await;
    assert_eq!(
        (frames.concat().as_str(), reset),
        ("ab", Some(ResetReason::Epoch))
    );
    assert_eq!(closed(&outbox).await, Some(CloseCode::GoingAway));
}

#[tokio::test]
async fn a_full_outbox_becomes_one_reset_however_much_comes() {
    let outbox = outbox(2, 1024);
    publish(&outbox, &["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
    assert_eq!(next(&outbox).await, (vec![], LAGGED));
    publish(&outbox, &["k"]);
    assert_eq!(next(&outbox).await, (vec!["k".to_owned()], None));
}

#[tokio::test]
async fn a_lag_drops_no_answer() {
    let outbox = outbox(2, 1024);
    outbox.answer(answer("1"));
    publish(&outbox, &["a", "b", "c"]);
    outbox.answer(answer("2"));
    publish(&outbox, &["d"]);
    let (frames, reset) = next(&outbox).await;
    assert_eq!((frames.concat().as_str(), reset), ("12", LAGGED));
}

#[tokio::test]
async fn who_asks_and_asks_and_reads_nothing_is_closed() {
    let outbox = outbox(2, 1024);
    for _ in 0..3 {
        outbox.answer(answer("no"));
    }
    assert_eq!(next(&outbox).await.0.len(), 2);
    assert_eq!(closed(&outbox).await, Some(CloseCode::TooSlow));
}

#[tokio::test]
async fn of_a_subscription_that_is_over_nothing_is_sent_any_more() {
    let outbox = outbox(8, 1024);
    let (over, other) = (standing(), standing());
    outbox.publish(broadcast("a"), &over, ALL);
    outbox.publish(broadcast("b"), &other, ALL);
    outbox.end(&over, vec![answer("over")]);
    outbox.publish(broadcast("c"), &over, ALL);
    outbox.publish(broadcast("d"), &other, ALL);
    assert_eq!(
        next(&outbox).await,
        (["b", "over", "d"].map(str::to_owned).to_vec(), None)
    );
}

#[tokio::test]
async fn what_was_decided_by_an_earlier_grant_is_covered_by_a_reset() {
    let outbox = outbox(8, 1024);
    let (changed, other) = (standing(), standing());
    outbox.publish(broadcast("a"), &changed, ALL);
    outbox.publish(broadcast("b"), &other, ALL);
    let fewer = Granted::NONE.with(1);
    outbox.regrant(&changed, fewer);
    outbox.publish(broadcast("late"), &changed, ALL);
    outbox.publish(broadcast("new"), &changed, fewer);
    let (frames, reset) = next(&outbox).await;
    assert_eq!(
        (frames.concat().as_str(), reset),
        ("bnew", Some(ResetReason::Bulk))
    );
    outbox.regrant(&changed, fewer);
    assert_eq!(outbox.take(None), None, "nothing has changed");
}

#[tokio::test]
async fn answers_are_bounded_in_bytes_too() {
    let outbox = outbox(100, 8);
    outbox.answer(answer("longer than eight"));
    outbox.answer(answer("one more"));
    assert_eq!(next(&outbox).await.0.len(), 1);
    assert_eq!(closed(&outbox).await, Some(CloseCode::TooSlow));
}

#[tokio::test]
async fn the_third_lag_of_a_minute_closes() {
    let outbox = outbox(1, 1024);
    for _ in 0..2 {
        publish(&outbox, &["a", "b"]);
        assert_eq!(next(&outbox).await, (vec![], LAGGED));
    }
    publish(&outbox, &["a", "b"]);
    assert_eq!(closed(&outbox).await, Some(CloseCode::TooSlow));
}

#[test]
fn lags_that_are_long_past_do_not_count() {
    let mut state = State::default();
    let start = Instant::now();
    for minute in 0..10 {
        state.lag(start + LAG_WINDOW * minute);
        assert_eq!(state.close, None);
    }
    state.lag(start + LAG_WINDOW * 9);
    assert_eq!(state.close, None);
    state.lag(start + LAG_WINDOW * 9);
    assert_eq!(state.close, Some(CloseCode::TooSlow));
}

#[tokio::test]
async fn bytes_are_bounded_but_a_lone_large_frame_passes() {
    let outbox = outbox(8, 4);
    publish(&outbox, &["larger than four"]);
    assert_eq!(
        next(&outbox).await,
        (vec!["larger than four".to_owned()], None)
    );
    publish(&outbox, &["abc", "de"]);
    assert_eq!(next(&outbox).await, (vec![], LAGGED));
}
