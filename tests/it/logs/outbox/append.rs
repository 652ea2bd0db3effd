//! Appends of several events at once.

use rest_live::log::{Event, EventLog, Record};

use super::{Follower, Server, event, follower::stored};

#[tokio::test]
async fn batch_is_written_like_a_single_event() {
    let server = Server::start().await;
    let log = server.open().await;
    let begin = log.head().await.unwrap();
    let events = [event("one"), event("two")];
    log.append_stored_in(&server.db, &events[..1])
        .await
        .unwrap();
    log.append_stored_in(&server.db, &events).await.unwrap();
    log.append_stored_in(&server.db, &[]).await.unwrap();
    let text = |event| serde_json::to_string(event).unwrap();
    let read = log.read(begin, 10).await.unwrap();
    let read: Vec<_> = read.iter().map(|entry| text(stored(entry))).collect();
    assert_eq!(read, [text(&events[0]), text(&events[0]), text(&events[1])]);
}

#[tokio::test]
async fn large_batch_keeps_its_order() {
    let server = Server::start().await;
    let log = server.open().await;
    let mut follower = Follower::of(&log).await;
    let events: Vec<_> = (0..12_000)
        .map(|number| Record::from(Event::reset(format!("{number}").into())))
        .collect();
    log.append(events).await.unwrap();
    follower.until_watermark(12_000).await;
    let expected: Vec<String> = (0..12_000).map(|number| number.to_string()).collect();
    assert!(follower.models().eq(expected.iter()));
}
