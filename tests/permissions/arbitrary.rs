//! What a session does with whatever is said to it, while rows are written: it neither panics nor
//! grows, tells nothing that it should not, and leaves nothing behind.

mod frames;
mod messages;

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*};
use rest_live::{
    Limits, Live,
    testing::Client,
    transport::{CloseCode, Frame, Handshake, Outgoing, Session},
};
use serde_json::json;

use self::{
    frames::{History, Object},
    messages::messages,
};
use crate::{
    clients::{Dialect, users},
    entities::{Table, User, Values},
    gauges::Gauges,
    support::{Tables, holds},
    writes::{Kind, Rows, Write, writes},
};

const SUBSCRIPTIONS: usize = 3;
const PENDING_MESSAGES: usize = 4;
const ID_BYTES: usize = 8;

#[derive(Clone, Debug)]
enum Step {
    /// A message, and whether the client then reads what waits for it.
    Say(String, bool),
    Write(Vec<Write>),
    Read,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (messages(), prop::bool::weighted(0.8)).prop_map(|(text, reads)| Step::Say(text, reads)),
        3 => vec(writes(), 1..=8).prop_map(Step::Write),
        1 => Just(Step::Read),
    ]
}

#[test]
fn whatever_is_said_a_session_tells_what_it_should_and_stays_small() {
    let bursts = prop_oneof![3 => Just(1000), 1 => Just(2)];
    let cases = (
        users(),
        any::<bool>(),
        any::<bool>(),
        bursts,
        vec(steps(), 1..=60),
    );
    holds(
        256,
        &cases,
        &async |tables, (user, v1, lazy, burst, steps)| {
            let mut conversation = Conversation::begin(tables, user, v1, burst);
            for mut step in steps {
                if let Step::Say(_, reads) = &mut step {
                    *reads &= !lazy;
                }
                conversation.take(step).await;
                if conversation.closed {
                    break;
                }
            }
            conversation.end().await;
        },
    );
}

/// One session, and what is known of it.
struct Conversation {
    live: Live<User>,
    session: Session,
    /// Knows when all that was written has reached the session.
    witness: Client<User>,
    user: User,
    spoken: Option<Dialect>,
    gauges: Gauges,
    rows: Rows,
    history: History,
    writes: u32,
    /// Whether something may wait that was not read yet, be it a reset.
    waits: bool,
    closed: bool,
}

impl Conversation {
    fn begin(tables: &Tables, user: User, v1: bool, burst: u32) -> Self {
        let limits = Limits::default()
            .max_subscriptions(SUBSCRIPTIONS)
            .max_id_bytes(ID_BYTES)
            .message_rate(1, burst)
            .resume_rate(1, 2)
            .max_pending_messages(PENDING_MESSAGES)
            .max_pending_bytes(2000);
        let gauges = Gauges::default();
        let live = metrics::with_local_recorder(&gauges, || tables.live(limits));
        Self {
            session: live.connect(Handshake::new(user).v1(v1)),
            witness: Client::connect(&live, User::Anonymous),
            live,
            user,
            spoken: v1.then_some(Dialect::V1),
            gauges,
            rows: Rows::new(),
            history: History::new(),
            writes: 0,
            waits: v1,
            closed: false,
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Say(text, reads) => self.say(&text, reads).await,
            Step::Write(writes) => self.write(&writes).await,
            Step::Read => self.read(),
        }
        // Memory: so many broadcasts wait, and as many answers.
        assert!(self.gauge("pending_frames") <= 2 * PENDING_MESSAGES);
        assert!(self.gauge("subscriptions") <= SUBSCRIPTIONS);
    }

    async fn write(&mut self, writes: &[Write]) {
        for write in writes {
            self.writes += 1;
            let write = write.marked(&format!("{} ", self.writes));
            let changed = write.carry_out(&self.live.db(), &mut self.rows).await;
            if let Some(changed) = changed {
                let states = self.history.entry((changed.table, changed.id));
                states.or_default().extend(changed.new);
            }
        }
        self.witness.receive_nothing().await;
        self.waits |= self.gauge("subscriptions") > 0;
    }

    async fn say(&mut self, text: &str, reads: bool) {
        let alone = !self.waits;
        self.waits = true;
        let before = (self.spoken, self.gauge("subscriptions"));
        self.session.receive(text).await;
        let said = Object::parse(text);
        let shape = said.as_ref().map_or(Dialect::Plain, Object::shape);
        let granted = self.gauge("subscriptions") > before.1;
        if granted {
            self.spoken.get_or_insert(shape);
        }
        if reads && alone {
            let answers = self.outgoing();
            let dialect = before.0.unwrap_or(shape);
            assert_answers(said.as_ref(), &answers, dialect, granted);
        } else if reads {
            self.read();
        }
    }

    fn read(&mut self) {
        self.outgoing();
    }

    /// Reads all that waits, and asserts what holds of every frame.
    fn outgoing(&mut self) -> Vec<Object> {
        self.waits = false;
        let mut all = Vec::new();
        while let Some(outgoing) = self.session.outgoing().now_or_never() {
            match outgoing {
                Outgoing::Frames(frames) => {
                    // A reset follows what waited, for each subscription.
                    assert!(frames.len() <= 2 * PENDING_MESSAGES + SUBSCRIPTIONS);
                    let broadcast = |frame: &&Frame| frame.as_str().contains(r#""action":""#);
                    assert!(frames.iter().filter(broadcast).count() <= PENDING_MESSAGES);
                    for frame in frames {
                        let object = Object::parse(frame.as_str()).expect("a frame is an object");
                        object.assert_frame(self.spoken, self.user, &self.history);
                        all.push(object);
                    }
                }
                Outgoing::Close(code) => {
                    assert!(matches!(code, CloseCode::TooSlow | CloseCode::TooMany));
                    self.closed = true;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        all
    }

    /// Ends the session: nothing of it is left, and others are served.
    async fn end(self) {
        let Self {
            live,
            session,
            gauges,
            mut rows,
            ..
        } = self;
        drop(session);
        let left = ["subscriptions", "pending_frames", "connections"].map(|g| gauges.read(g));
        assert_eq!(left, [0, 0, 1], "the witness is left");

        for (place, request) in [
            json!({"model": "sessions.Notice", "pk": 100}),
            json!({"id": 1, "model": "sessions.Notice", "group": {"pk": 101}}),
            json!({"type": "subscribe", "id": 1, "action": "list", "model": "sessions.Notice", "view_kwargs": {"list_id": 102}}),
        ].into_iter().enumerate() {
            let id = 100 + i32::try_from(place).unwrap();
            let mut client = Client::connect(&live, User::Anonymous);
            client.send_json(request).await;
            let answers = client.received().await;
            assert_eq!(answers.len(), usize::from(place == 1), "{answers:?}");
            let row = Values { text: "late".to_owned(), list_id: Some(id), owner: 1, level: 0 };
            let write = Write { table: Table::Notice, id, kind: Kind::Insert(row) };
            write.carry_out(&live.db(), &mut rows).await.unwrap();
            let frames = client.received().await;
            assert_eq!(frames.len(), 1, "{frames:?}");
            assert_eq!(frames[0]["action"], "CREATED");
        }
        drop(self.witness);
        let left = ["subscriptions", "pending_frames", "connections"].map(|g| gauges.read(g));
        assert_eq!(left, [0, 0, 0]);
    }

    fn gauge(&self, name: &str) -> usize {
        self.gauges.read(name)
    }
}

/// Asserts that these answer one message, and nothing else.
fn assert_answers(said: Option<&Object>, answers: &[Object], dialect: Dialect, granted: bool) {
    let kinds: Vec<_> = answers.iter().map(|answer| answer.get("type")).collect();
    let expected: &[&[&str]] = match (dialect, granted) {
        (Dialect::V1, true) => &[&["subscribed"], &["subscribed", "reset"]],
        (Dialect::V1, false) => &[&[], &["error"], &["unsubscribed"], &["pong"]],
        (Dialect::Plain | Dialect::V0_7, true) => &[&[]],
        (Dialect::Plain | Dialect::V0_7, false) => &[&[], &["error"]],
    };
    assert!(
        expected.contains(&&kinds.iter().filter_map(|k| k.as_str()).collect::<Vec<_>>()[..]),
        "{answers:?}"
    );
    let id = said
        .and_then(Object::id)
        .filter(|_| dialect != Dialect::Plain);
    for answer in answers {
        assert_eq!(answer.id(), id, "{answer:?} to {said:?}");
        assert_eq!(answer.has("id"), id.is_some(), "{answer:?}");
        if answer.get("type") == "error" {
            assert!(answer.is_error(dialect), "{answer:?} in {dialect:?}");
        }
    }
}
