//! Sends arbitrary messages to a session while rows are written. The session must not panic or
//! grow, must send only valid and permitted frames, and must leave nothing when it ends.

mod frames;
mod messages;

use futures_util::FutureExt;
use proptest::{collection::vec, prelude::*};
use rest_live::{
    Limits, Live,
    log::MemoryLog,
    testing::Client,
    transport::{CloseCode, Frame, Handshake, Outgoing, Session},
};
use serde_json::{Value, json};

use self::{
    frames::{History, Object},
    messages::messages,
};
use crate::{
    clients::{Dialect, users},
    entities::{Table, User, Values},
    gauges::Gauges,
    property::assert_property,
    tables::Tables,
    writes::{Kind, Rows, Write, writes},
};

const SUBSCRIPTIONS: usize = 3;
const PENDING_MESSAGES: usize = 4;
const ID_BYTES: usize = 8;
/// How often the test asks whether the client has been sent what it missed.
const POLL_INTERVAL: std::time::Duration = std::time::Duration::from_millis(1);

#[derive(Clone, Debug)]
enum Step {
    /// A message, and whether the client then reads all pending frames.
    Send(String, bool),
    Write(Vec<Write>),
    Read,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (messages(), prop::bool::weighted(0.8)).prop_map(|(text, reads)| Step::Send(text, reads)),
        3 => vec(writes(), 1..=8).prop_map(Step::Write),
        1 => Just(Step::Read),
    ]
}

#[test]
fn any_message_gets_valid_bounded_answers() {
    let bursts = prop_oneof![3 => Just(1000), 1 => Just(2)];
    let cases = (
        users(),
        any::<bool>(),
        any::<bool>(),
        bursts,
        vec(steps(), 1..=60),
    );
    assert_property(256, &cases, Tables::open(), &async |tables: &Tables,
                                                         (
        user,
        v1,
        never_reads,
        burst,
        steps,
    )| {
        tables.clear().await;
        let mut conversation = Conversation::start(tables, user, v1, burst);
        for mut step in steps {
            if let Step::Send(_, reads) = &mut step {
                *reads &= !never_reads;
            }
            conversation.run_step(step).await;
            if conversation.is_closed {
                break;
            }
        }
        conversation.finish().await;
    });
}

/// One session, and what the test knows about it.
struct Conversation {
    live: Live<User>,
    session: Session,
    /// Shows when all writes so far have reached the session.
    witness: Client<User>,
    /// The users that the connection may have had since all frames were read.
    users: Vec<User>,
    dialect: Option<Dialect>,
    gauges: Gauges,
    rows: Rows,
    history: History,
    writes: u32,
    /// Whether frames may be pending, including a reset.
    may_be_pending: bool,
    /// The number of barriers that may still be answered.
    barriers: usize,
    is_closed: bool,
}

impl Conversation {
    fn start(tables: &Tables, user: User, v1: bool, burst: u32) -> Self {
        let limits = Limits::default()
            .max_subscriptions(SUBSCRIPTIONS)
            .max_id_bytes(ID_BYTES)
            .message_rate(1, burst)
            .resume_rate(1, 2)
            .max_pending_messages(PENDING_MESSAGES)
            .max_pending_bytes(2000);
        let gauges = Gauges::default();
        let live =
            metrics::with_local_recorder(&gauges, || tables.live(limits, MemoryLog::default()));
        Self {
            session: live.connect(Handshake::new(user).v1(v1)),
            witness: Client::connect(&live, User::Anonymous),
            live,
            users: vec![user],
            dialect: v1.then_some(Dialect::V1),
            gauges,
            rows: Rows::new(),
            history: History::new(),
            writes: 0,
            may_be_pending: v1,
            barriers: 0,
            is_closed: false,
        }
    }

    async fn run_step(&mut self, step: Step) {
        match step {
            Step::Send(text, reads) => self.send(&text, reads).await,
            Step::Write(writes) => self.write(&writes).await,
            Step::Read => self.read().await,
        }
        // Memory is bounded: this many broadcasts can be pending, and as many answers. What a slow
        // client missed may contain a reset for each subscription, and ends with a frame.
        assert!(self.gauge("pending_frames") <= 2 * PENDING_MESSAGES + SUBSCRIPTIONS + 1);
        assert!(self.gauge("subscriptions") <= SUBSCRIPTIONS);
    }

    async fn write(&mut self, writes: &[Write]) {
        for write in writes {
            self.writes += 1;
            let write = write.with_mark(&format!("{} ", self.writes));
            let changed = write.apply(&self.live.db(), &mut self.rows).await;
            if let Some(changed) = changed {
                let states = self.history.entry((changed.table, changed.id));
                states.or_default().extend(changed.new);
            }
        }
        self.witness.receive_nothing().await;
        self.may_be_pending |= self.gauge("subscriptions") > 0;
    }

    async fn send(&mut self, text: &str, reads: bool) {
        let is_idle = !self.may_be_pending && self.barriers == 0;
        self.may_be_pending = true;
        let before = (self.dialect, self.gauge("subscriptions"));
        let request = Object::parse(text);
        let token = request.as_ref().map(|request| request.get("token"));
        let user = match token.as_ref().and_then(Value::as_str) {
            Some(token) => User::of_token(token.to_owned()).await.ok(),
            None => None,
        };
        self.users.extend(user.map(|(user, _)| user));
        self.session.receive(text).await;
        let shape = request.as_ref().map_or(Dialect::Plain, Object::shape);
        let granted = self.gauge("subscriptions") > before.1;
        if granted {
            self.dialect.get_or_insert(shape);
        }
        let dialect = before.0.unwrap_or(shape);
        let is_barrier = dialect == Dialect::V1
            && request
                .as_ref()
                .is_some_and(|r| r.get("type") == "sync" && r.id().is_some());
        self.barriers += usize::from(is_barrier);
        if reads && is_idle {
            let mut answers = self.read_pending().await;
            // A barrier is answered by a task.
            while is_barrier && answers.is_empty() && !self.is_closed {
                tokio::task::yield_now().await;
                answers = self.read_pending().await;
            }
            if !answers.is_empty() {
                self.barriers = 0;
            }
            let is_new = answers.iter().any(|a| a.get("type") == "authenticated");
            if let Some((user, _)) = user.filter(|_| is_new) {
                // Nothing that only an earlier user may see arrives from now on.
                self.users = vec![user];
            }
            assert_answers(request.as_ref(), &answers, dialect, granted);
        } else if reads {
            self.read().await;
        }
    }

    async fn read(&mut self) {
        self.read_pending().await;
    }

    /// Reads all pending frames, and asserts the invariants of each one. If the client was too
    /// slow, also reads what it missed.
    async fn read_pending(&mut self) -> Vec<Object> {
        self.may_be_pending = false;
        let mut all = Vec::new();
        loop {
            let is_behind = self.gauge("behind_connections") > 0;
            let Some(outgoing) = self.session.outgoing().now_or_never() else {
                if is_behind {
                    tokio::time::sleep(POLL_INTERVAL).await;
                    continue;
                }
                break;
            };
            match outgoing {
                Outgoing::Frames(frames) => {
                    let is_end = |frame: &&Frame| frame.as_str().starts_with(r#"{"type":"unit""#);
                    let broadcast = |frame: &&Frame| frame.as_str().contains(r#""action":""#);
                    let ends = frames.iter().filter(is_end).count();
                    let broadcasts = frames.iter().filter(broadcast).count();
                    // The end of a replay may come alone.
                    assert!(ends <= broadcasts + 1 && broadcasts <= PENDING_MESSAGES);
                    // Each subscription may get a reset after the pending frames, and another one
                    // among them.
                    assert!(frames.len() - ends <= 2 * (PENDING_MESSAGES + SUBSCRIPTIONS) + 1);
                    for frame in frames {
                        // An error may also be the answer to another request.
                        let is_synced = frame.as_str().contains(r#""type":"synced""#);
                        self.barriers -= usize::from(is_synced && self.barriers > 0);
                        let object = Object::parse(frame.as_str()).expect("a frame is an object");
                        object.assert_frame(self.dialect, &self.users, &self.history);
                        all.push(object);
                    }
                }
                Outgoing::Close(code) => {
                    assert!(matches!(code, CloseCode::TooSlow | CloseCode::TooMany));
                    self.is_closed = true;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        all
    }

    /// Ends the session. Asserts that nothing of it is left, and that other clients are served.
    async fn finish(self) {
        let Self {
            live,
            session,
            gauges,
            mut rows,
            ..
        } = self;
        drop(session);
        let left = ["subscriptions", "pending_frames", "connections"].map(|g| gauges.read(g));
        assert_eq!(left, [0, 0, 1], "only the witness is left");

        for (index, request) in [
            json!({"model": "permissions.Notice", "pk": 100}),
            json!({"id": 1, "model": "permissions.Notice", "group": {"pk": 101}}),
            json!({"type": "subscribe", "id": 1, "action": "list", "model": "permissions.Notice", "view_kwargs": {"list_id": 102}}),
        ].into_iter().enumerate() {
            let id = 100 + i32::try_from(index).unwrap();
            let mut client = Client::connect(&live, User::Anonymous);
            client.send_json(request).await;
            let answers = client.received().await;
            assert_eq!(answers.len(), usize::from(index == 1), "{answers:?}");
            let row = Values { text: "late".to_owned(), list_id: Some(id), owner: 1, level: 0 };
            let write = Write { table: Table::Notice, id, kind: Kind::Insert(row) };
            write.apply(&live.db(), &mut rows).await.unwrap();
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

/// Asserts that these frames are the answers to one message.
fn assert_answers(request: Option<&Object>, answers: &[Object], dialect: Dialect, granted: bool) {
    let is_auth = request.is_some_and(|request| request.get("type") == "auth");
    // Another user loses subscriptions, or must fetch again.
    let is_consequence = |answer: &&Object| is_auth && answer.has("reason");
    let answers: Vec<_> = answers.iter().filter(|a| !is_consequence(a)).collect();
    let kinds: Vec<_> = answers.iter().map(|answer| answer.get("type")).collect();
    let expected: &[&[&str]] = match (dialect, granted) {
        (Dialect::V1, true) => &[&["subscribed"], &["subscribed", "reset"]],
        (Dialect::V1, false) => &[
            &[],
            &["error"],
            &["unsubscribed"],
            &["pong"],
            &["synced"],
            &["authenticated"],
        ],
        (Dialect::Plain | Dialect::V0_7, true) => &[&[]],
        (Dialect::Plain | Dialect::V0_7, false) => &[&[], &["error"]],
    };
    assert!(
        expected.contains(&&kinds.iter().filter_map(|k| k.as_str()).collect::<Vec<_>>()[..]),
        "{answers:?}"
    );
    let id = request
        .and_then(Object::id)
        .filter(|_| dialect != Dialect::Plain);
    for answer in answers {
        assert_eq!(answer.id(), id, "{answer:?} to {request:?}");
        assert_eq!(answer.has("id"), id.is_some(), "{answer:?}");
        if answer.get("type") == "error" {
            assert!(answer.is_error(dialect), "{answer:?} in {dialect:?}");
        }
    }
}
