//! A slow client is replayed what it missed: in all dialects, in portions, without a gap.

use std::collections::BTreeMap;

use rest_live::{
    Limits, Live, LiveEntity,
    testing::Client,
    transport::{CloseCode, Handshake},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait};
use serde_json::{Value, json};

use crate::{
    entities::task as task_model,
    support::{TestDatabase, database, soon, task},
};

/// Maximum number of messages that are queued for a client. A portion has half of it.
const PENDING: usize = 4;

/// A `Live` with small limits, and a witness of list 1 that reads everything.
struct Fixture {
    live: Live,
    witness: Client,
    _database: TestDatabase,
}

impl Fixture {
    async fn start() -> Self {
        Self::with_history(1000).await
    }

    /// Keeps this number of events.
    async fn with_history(events: usize) -> Self {
        let (db, database) = database().await;
        let limits = Limits::default().max_pending_messages(PENDING);
        let builder = Live::builder(db).limits(limits).replay_capacity(events);
        let live = builder.build().unwrap();
        let witness = Client::connect(&live, ());
        witness
            .send_json(json!({"model": "todolist.Task", "list_id": 1}))
            .await;
        Self {
            live,
            witness,
            _database: database,
        }
    }

    /// Returns a client that has sent these requests and read the answers.
    async fn client(&self, requests: &[Value]) -> Client {
        let mut client = Client::connect(&self.live, Handshake::new(()).v1(false));
        for request in requests {
            client.send_json(request.clone()).await;
        }
        client.received().await;
        client
    }

    async fn insert(&mut self, id: i32, text: &str, list_id: i32) {
        let task = task(id, text, list_id);
        task.insert(&self.live.db()).await.unwrap();
        self.witness.received().await;
    }

    async fn update(&mut self, id: i32, text: &str, list_id: i32) {
        let task = task_model::ActiveModel {
            id: Set(id),
            text: Set(text.to_owned()),
            list_id: Set(list_id),
            ..Default::default()
        };
        task.update(&self.live.db()).await.unwrap();
        self.witness.received().await;
    }
}

fn list(list_id: i32) -> Value {
    json!({"model": "todolist.Task", "list_id": list_id})
}

fn v1(id: i32, list_id: i32) -> Value {
    json!({"id": id, "model": "todolist.Task", "group": {"list_id": list_id}})
}

fn v0_7(id: i32, list_id: i32) -> Value {
    json!({"type": "subscribe", "id": id, "action": "list", "view_kwargs": {"list_id": list_id}, "model": "todolist.Task"})
}

/// Returns the action, the id and the text of the row.
fn shown(frame: &Value) -> (String, i64, String) {
    let row = match frame.get("payload") {
        Some(row) => row,
        None => &frame["instance"],
    };
    (
        frame["action"].as_str().unwrap_or("none").to_owned(),
        row["id"].as_i64().unwrap_or_default(),
        row["text"].as_str().unwrap_or_default().to_owned(),
    )
}

fn all_shown(frames: &[Value]) -> Vec<(String, i64, String)> {
    frames.iter().map(shown).collect()
}

fn expected(rows: &[(&str, i64, &str)]) -> Vec<(String, i64, String)> {
    let rows = rows.iter();
    rows.map(|(action, id, text)| ((*action).to_owned(), *id, (*text).to_owned()))
        .collect()
}

/// Each row once, as it is at the end, in the order of the last events.
#[tokio::test]
async fn each_row_is_replayed_once() {
    let mut f = Fixture::start().await;
    let mut slow = f.client(&[list(1)]).await;
    for id in 1..=6 {
        f.insert(id, "first", 1).await;
    }
    f.update(2, "last", 1).await;
    task_model::Entity::delete_by_id(5)
        .exec(&f.live.db())
        .await
        .unwrap();
    let frames = slow.received().await;
    assert_eq!(
        all_shown(&frames),
        expected(&[
            ("CREATED", 1, "first"),
            ("CREATED", 3, "first"),
            ("CREATED", 4, "first"),
            ("CREATED", 6, "first"),
            ("CREATED", 2, "last"),
            ("DELETED", 5, "first"),
        ])
    );
    // The client receives changes as they come again.
    f.update(1, "after", 1).await;
    let frames = slow.received().await;
    assert_eq!(all_shown(&frames), expected(&[("UPDATED", 1, "after")]));
}

/// In v1 the catch-up is one unit, from whose end the client can resume, and from each of whose
/// frames it loses nothing.
#[tokio::test]
async fn v1_catch_up_is_one_unit() {
    let mut f = Fixture::start().await;
    let slow = Client::connect(&f.live, ());
    slow.send_json(v1(7, 1)).await;
    let mut slow = slow;
    let since = slow.receive_json().await["cursor"].clone();
    for id in 1..=6 {
        f.insert(id, "missed", 1).await;
    }
    let mut frames = slow.received().await;
    let end = frames.pop().unwrap();
    let unit = end["cursor"].clone();
    assert_eq!(end, json!({"type": "unit", "cursor": unit}));
    assert_eq!(frames.len(), 6);
    for frame in &frames {
        assert_eq!((&frame["cursor"], &frame["unit"]), (&since, &unit));
        assert_eq!(frame["group"], json!({"list_id": 1}));
    }
    // The last event was the last one that the dispatcher had begun.
    f.insert(7, "after", 1).await;
    let after = slow.receive_json().await;
    assert_eq!(after.get("unit"), None);

    for (cursor, row, missed) in [(&since, 6, 1), (&unit, 6, 0), (&unit, 7, 1)] {
        let mut resumed = Client::connect(&f.live, ());
        let group = json!({ "pk": row });
        let request = json!({"id": 1, "model": "todolist.Task", "group": group, "since": cursor});
        resumed.send_json(request).await;
        let answers = resumed.received().await;
        let broadcasts = answers.iter().filter(|frame| frame["type"] == "broadcast");
        assert_eq!(
            (&answers[0]["recovered"], broadcasts.count()),
            (&json!(true), missed)
        );
    }
}

/// A single frame has the cursor that the client has reached, and no unit.
#[tokio::test]
async fn single_change_stands_alone() {
    let mut f = Fixture::start().await;
    f.insert(1, "before", 1).await;
    let mut slow = f.client(&[v1(7, 1)]).await;
    for n in 0..9 {
        f.update(1, &format!("text {n}"), 1).await;
    }
    let frames = slow.received().await;
    assert_eq!(all_shown(&frames), expected(&[("UPDATED", 1, "text 8")]));
    assert_eq!(frames[0].get("unit"), None);
    let mut request = v1(8, 1);
    request["since"] = frames[0]["cursor"].clone();
    slow.send_json(request).await;
    let answers = slow.received().await;
    assert_eq!((answers.len(), &answers[0]["recovered"]), (1, &json!(true)));
}

/// 0.7 has no cursors; each id receives each change.
#[tokio::test]
async fn each_id_of_0_7_receives_each_row() {
    let mut f = Fixture::start().await;
    let mut slow = f.client(&[v0_7(1, 1), v0_7(2, 1), v0_7(3, 1)]).await;
    for id in 1..=3 {
        f.insert(id, "missed", 1).await;
    }
    let frames = slow.received().await;
    let pairs: Vec<_> = frames
        .iter()
        .map(|frame| (frame["instance"]["id"].as_i64(), frame["id"].as_i64()))
        .collect();
    let every = (1..=3).flat_map(|row| (1..=3).map(move |id| (Some(row), Some(id))));
    assert_eq!(pairs, every.collect::<Vec<_>>());
}

/// Plain frames do not name their group: a client of both lists must end with the row.
#[tokio::test]
async fn row_that_moves_leaves_before_it_enters() {
    let mut f = Fixture::start().await;
    f.insert(1, "here", 1).await;
    let mut slow = f.client(&[list(2), list(1)]).await;
    for n in 0..PENDING as i32 {
        f.insert(10 + n, "other", 1).await;
    }
    f.update(1, "there", 2).await;
    f.update(10, "there and back", 2).await;
    f.update(10, "there and back", 1).await;
    let frames = slow.received().await;
    let of = |id: i64| {
        let frames = all_shown(&frames).into_iter();
        frames.filter(|(_, row, _)| *row == id).collect::<Vec<_>>()
    };
    assert_eq!(
        of(1),
        expected(&[("DELETED", 1, "here"), ("CREATED", 1, "there")])
    );
    let last = of(10);
    assert_eq!(
        last.last(),
        expected(&[("CREATED", 10, "there and back")]).last()
    );
}

/// Rows change and move between the portions. The client ends with the rows of the table.
#[tokio::test]
async fn changes_between_portions_are_not_lost() {
    for requests in [
        vec![list(1), list(2)],
        vec![v1(1, 1), v1(2, 2)],
        vec![v0_7(1, 1), v0_7(2, 2)],
    ] {
        let mut f = Fixture::start().await;
        let mut slow = f.client(&requests).await;
        let mut rows: BTreeMap<i64, String> = BTreeMap::new();
        let apply = |rows: &mut BTreeMap<i64, String>, frame: &Value| match shown(frame) {
            (action, ..) if action == "none" => assert_eq!(frame["type"], "unit"),
            (action, id, _) if action == "DELETED" => _ = rows.remove(&id),
            (_, id, text) => _ = rows.insert(id, text),
        };
        for id in 1..=8 {
            f.insert(id, "0", 1 + id % 2).await;
        }
        for n in 1..=40 {
            let frame = slow.receive_json().await;
            apply(&mut rows, &frame);
            let id = n % 8 + 1;
            f.update(id, &n.to_string(), 1 + (n / 3) % 2).await;
            if n == 20 {
                f.update(8, "away", 3).await;
            }
        }
        task_model::Entity::delete_by_id(3)
            .exec(&f.live.db())
            .await
            .unwrap();
        for frame in slow.received().await {
            apply(&mut rows, &frame);
        }
        let all = task_model::Entity::find().all(&f.live.db()).await.unwrap();
        let shown = all.into_iter().filter(|row| row.list_id != 3);
        let expected: BTreeMap<_, _> = shown.map(|row| (row.id.into(), row.text)).collect();
        assert_eq!(rows, expected);
    }
}

/// A client that never catches up is not closed. What is queued for it stays bounded, and in v1
/// each replay is a whole unit.
#[tokio::test]
async fn client_that_never_catches_up_is_served() {
    let mut f = Fixture::start().await;
    let mut slow = f.client(&[v1(1, 1)]).await;
    for id in 1..=8 {
        f.insert(id, "0", 1).await;
    }
    let (mut open, mut units) = (None, 0);
    for n in 1..=60 {
        for id in 1..=8 {
            f.update(id, &n.to_string(), 1).await;
        }
        let frame = slow.receive_json().await;
        if frame["type"] == "unit" {
            assert_eq!(open.take(), Some(frame["cursor"].clone()));
            units += 1;
        } else if let Some(open) = &open {
            assert_eq!(&frame["unit"], open);
        } else {
            open = frame.get("unit").cloned();
        }
    }
    assert!(units > 3, "only {units} replays came to an end");
    let frames = slow.received().await;
    let last = |id: i64| {
        let mut shown = frames.iter().map(shown).filter(|(_, row, _)| *row == id);
        shown.next_back().map(|(_, _, text)| text)
    };
    for id in 1..=8 {
        assert_eq!(last(id).as_deref(), Some("60"));
    }
}

#[tokio::test]
async fn short_history_resets_the_client() {
    let mut f = Fixture::with_history(3).await;
    let mut slow = f.client(&[v1(1, 1), v1(2, 2)]).await;
    for round in 0..3 {
        for id in 1..=8 {
            f.insert(round * 10 + id, "missed", 1).await;
        }
        if round == 2 {
            assert_eq!(slow.receive_close().await, CloseCode::TooSlow);
            break;
        }
        let frames = slow.received().await;
        let resets: Vec<_> = frames
            .iter()
            .map(|frame| (&frame["type"], &frame["reason"], &frame["id"]))
            .collect();
        let reset = |id| (json!("reset"), json!("lagged"), json!(id));
        let expected = [reset(1), reset(2)];
        assert_eq!(resets, expected.each_ref().map(|(a, b, c)| (a, b, c)));
    }
}

/// Answers come as always; a subscription that ends gets nothing more, and one that starts has no
/// gap.
#[tokio::test]
async fn requests_are_answered_while_behind() {
    let mut f = Fixture::start().await;
    let mut slow = f.client(&[v1(1, 1), v1(2, 2)]).await;
    for id in 1..=6 {
        f.insert(id, "one", 1).await;
        f.insert(10 + id, "two", 2).await;
    }
    slow.send_json(json!({"type": "unsubscribe", "id": 1}))
        .await;
    slow.send_json(v1(3, 3)).await;
    f.insert(21, "three", 3).await;
    slow.send_json(json!({"type": "ping", "id": 9})).await;
    let frames = slow.received().await;
    let kinds = |kind: &str| frames.iter().filter(|f| f["type"] == *kind).count();
    assert_eq!(
        (kinds("unsubscribed"), kinds("subscribed"), kinds("pong")),
        (1, 1, 1)
    );
    let rows: Vec<_> = all_shown(&frames)
        .into_iter()
        .filter(|(action, ..)| action == "CREATED")
        .map(|(_, id, _)| id)
        .collect();
    assert_eq!(rows, [11, 12, 13, 14, 15, 16, 21]);
}

/// A resumed subscription shows rows as they are now. What follows is not older.
#[tokio::test]
async fn no_row_goes_back_after_a_resume() {
    let mut f = Fixture::start().await;
    let mut slow = Client::connect(&f.live, ());
    slow.send_json(v1(1, 1)).await;
    let since = slow.receive_json().await["cursor"].clone();
    for id in 1..=6 {
        f.insert(id, "1", 1).await;
    }
    // The first portion is queued.
    let first = slow.receive_json().await;
    for id in 1..=6 {
        f.update(id, "2", 1).await;
    }
    let group = json!({"pk": 5});
    let request = json!({"id": 2, "model": "todolist.Task", "group": group, "since": since});
    slow.send_json(request).await;
    let mut frames = vec![first];
    frames.extend(slow.received().await);
    // The client applies all of them at once, or none.
    let unit = frames[0]["unit"].clone();
    let end = json!({"type": "unit", "cursor": unit});
    let replay = frames.iter().take_while(|frame| **frame != end);
    let replay = replay.filter(|frame| frame["type"] == "broadcast");
    assert!(replay.clone().all(|frame| frame["unit"] == unit));
    assert!(
        replay.count() > 6,
        "the rows, and the one of the new subscription"
    );
    let texts = frames.iter().map(shown).filter(|(_, id, _)| *id == 5);
    let texts: Vec<_> = texts.map(|(.., text)| text).collect();
    assert!(texts.len() >= 2, "{texts:?}");
    assert!(texts.is_sorted(), "{texts:?}");
    for id in 1..=6 {
        let mut of_row = frames.iter().map(shown).filter(|(_, row, _)| *row == id);
        assert_eq!(of_row.next_back().unwrap().2, "2");
    }
}

/// A write of unknown rows is a reset of its model, also for a client that is behind.
#[tokio::test]
async fn missed_model_reset_is_sent() {
    for (request, resets) in [(v1(1, 1), "reset"), (list(1), "error")] {
        let device = match request.get("id") {
            Some(_) => json!({"id": 2, "model": "it.Device", "group": {"active": true}}),
            None => json!({"model": "it.Device", "active": true}),
        };
        let mut f = Fixture::start().await;
        let mut slow = f.client(&[request, device]).await;
        for id in 1..=6 {
            f.insert(id, "missed", 1).await;
        }
        let update = "UPDATE task SET text = 'all'";
        f.live.db().execute_unprepared(update).await.unwrap();
        f.witness.received().await;
        let frames = slow.received().await;
        assert_eq!(frames.len(), 1, "{frames:?}");
        assert_eq!(frames[0]["type"], resets);
        f.insert(7, "after", 1).await;
        let frames = slow.received().await;
        assert_eq!(all_shown(&frames), expected(&[("CREATED", 7, "after")]));
    }
}

/// The server closes a client that is behind like any other.
#[tokio::test]
async fn client_that_is_behind_is_closed() {
    let mut f = Fixture::start().await;
    let mut slow = f.client(&[list(1)]).await;
    for id in 1..=9 {
        f.insert(id, "missed", 1).await;
    }
    assert_eq!(f.live.disconnect(|()| true), 2);
    assert_eq!(slow.receive_close().await, CloseCode::Forbidden);
    soon("the shutdown", f.live.shutdown()).await;
}

/// The client reads the beginning of a large transaction, and then nothing for a while. What it
/// keeps until a unit ends is then the whole transaction.
#[tokio::test]
async fn interrupted_unit_ends_with_the_replay() {
    const ROWS: i32 = 20;
    let f = Fixture::start().await;
    let mut client = f.client(&[v1(1, 1)]).await;
    let db = f.live.db();
    let write = tokio::spawn(async move {
        let rows = (1..=ROWS).map(|id| task(id, "new", 1));
        task_model::Entity::live_insert_many(rows).exec(&db).await
    });
    let mut frames = vec![client.receive_json().await];
    soon("the write", write).await.unwrap().unwrap();
    frames.extend(client.received().await);
    let end = frames.pop().unwrap();
    assert_eq!(end["type"], "unit", "{frames:?}");
    let units: Vec<_> = frames.iter().map(|frame| frame["unit"].as_str()).collect();
    assert!(units.iter().all(Option::is_some), "{units:?}");
    assert_eq!(units[units.len() - 1], end["cursor"].as_str());
    // What was begun comes again with the replay.
    assert!(frames.len() > ROWS as usize, "the client was not too slow");
    let texts = frames
        .iter()
        .map(|f| (&f["payload"]["id"], &f["payload"]["text"]));
    let rows: BTreeMap<i64, &Value> = texts
        .map(|(id, text)| (id.as_i64().unwrap(), text))
        .collect();
    assert_eq!(rows.len(), ROWS as usize, "{rows:?}");
}
