//! How many calls of `authorize` run at the same time, and in which order.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{FutureExt, SinkExt, StreamExt};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use rest_live::{Limits, Live, subscribable, testing::Client};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Schema};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Semaphore, task::yield_now, time::timeout};
use tokio_tungstenite::{connect_async, tungstenite::Message};
use warp::Filter;

mod book {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "book")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub shelf_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}
}

#[subscribable(model = "library.Book", entity = book::Entity, public)]
#[subscribable(group_key = "shelf_id", authorize = may_open)]
#[derive(Serialize)]
struct BookSerializer {
    id: i32,
}

/// A user. All users of a test share a gate.
#[derive(Clone)]
struct Reader {
    name: &'static str,
    gate: Arc<Gate>,
}

/// Records the calls of `authorize`, and holds them.
struct Gate {
    calls: Mutex<Calls>,
    /// A permit for each call that may end.
    may_end: Semaphore,
}

#[derive(Debug, Default)]
struct Calls {
    /// The users of the calls, in their order.
    users: Vec<&'static str>,
    running: usize,
    max_running: usize,
}

async fn may_open(reader: &Reader, _: i32, _: &DatabaseConnection) -> bool {
    {
        let mut calls = reader.gate.calls.lock().unwrap();
        calls.users.push(reader.name);
        calls.running += 1;
        calls.max_running = calls.max_running.max(calls.running);
    }
    let _running = Running(&reader.gate);
    if reader.name != "quick" {
        reader.gate.may_end.acquire().await.unwrap().forget();
    }
    true
}

/// A call that has not returned or was dropped.
struct Running<'g>(&'g Gate);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.calls.lock().unwrap().running -= 1;
    }
}

struct Library {
    live: Live<Reader>,
    gate: Arc<Gate>,
    metrics: Snapshotter,
    waiting: Mutex<f64>,
}

impl Library {
    async fn open(set: impl FnOnce(Limits) -> Limits) -> Self {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        let schema = Schema::new(db.get_database_backend());
        let table = schema.create_table_from_entity(book::Entity);
        db.execute(&table).await.unwrap();
        let recorder = DebuggingRecorder::new();
        let metrics = recorder.snapshotter();
        let live = {
            let _guard = metrics::set_default_local_recorder(&recorder);
            let builder = Live::<Reader>::builder(db).discover(false);
            let builder = builder.register::<BookSerializer>();
            builder.limits(set(Limits::default())).build().unwrap()
        };
        let gate = Arc::new(Gate {
            calls: Mutex::default(),
            may_end: Semaphore::new(0),
        });
        Self {
            live,
            gate,
            metrics,
            waiting: Mutex::default(),
        }
    }

    fn reader(&self, name: &'static str) -> Reader {
        Reader {
            name,
            gate: Arc::clone(&self.gate),
        }
    }

    fn client(&self, name: &'static str) -> Client<Reader> {
        Client::connect(&self.live, self.reader(name))
    }

    fn users(&self) -> Vec<&'static str> {
        self.gate.calls.lock().unwrap().users.clone()
    }

    fn running(&self) -> usize {
        self.gate.calls.lock().unwrap().running
    }

    fn max_running(&self) -> usize {
        self.gate.calls.lock().unwrap().max_running
    }

    /// Returns how many requests wait.
    fn waiting(&self) -> f64 {
        let snapshot = self.metrics.snapshot().into_vec();
        let gauge = snapshot
            .into_iter()
            .find(|(key, ..)| key.key().name() == "rest_live_authorize_waiting");
        let mut waiting = self.waiting.lock().unwrap();
        match gauge {
            // Each snapshot resets the value, so it has the changes since the last one.
            Some((_, _, _, DebugValue::Gauge(change))) => *waiting += change.into_inner(),
            _ => panic!("there is no such gauge"),
        }
        *waiting
    }
}

fn shelf(id: i32) -> Value {
    json!({"id": id, "model": "library.Book", "group": {"shelf_id": id}})
}

fn book(id: i32) -> Value {
    json!({"id": id, "model": "library.Book", "group": {"pk": id}})
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            yield_now().await;
        }
    };
    let waited = timeout(Duration::from_secs(20), wait).await;
    waited.unwrap_or_else(|_| panic!("{what} did not happen"));
}

async fn expect_subscribed(client: &mut Client<Reader>, id: i32) {
    let answer = client.receive_json().await;
    assert_eq!(
        (&answer["type"], &answer["id"]),
        (&json!("subscribed"), &json!(id))
    );
}

/// Polls a request once: it must wait.
fn assert_waits(request: Pin<&mut impl Future<Output = ()>>) {
    assert!(request.now_or_never().is_none());
}

#[tokio::test]
async fn no_more_calls_run_than_the_limit() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(3)).await;
    let clients = (0..10).map(|id| {
        let mut client = library.client("a");
        tokio::spawn(async move {
            client.send_json(shelf(id)).await;
            expect_subscribed(&mut client, id).await;
            client
        })
    });
    let clients: Vec<_> = clients.collect();
    until("three calls", || library.running() == 3).await;
    until("the others wait", || library.waiting() == 7.0).await;
    library.gate.may_end.add_permits(10);
    let mut open = Vec::new();
    for client in clients {
        open.push(client.await.unwrap());
    }
    assert_eq!((library.max_running(), library.users().len()), (3, 10));
    assert_eq!(library.waiting(), 0.0);

    // Several reauthorizations share the limit.
    let again = [(); 3].map(|()| library.live.reauthorize(|_| true));
    library.gate.may_end.add_permits(30);
    for reauthorized in again {
        assert_eq!(reauthorized.await, 0);
    }
    assert_eq!(library.max_running(), 3);
}

#[tokio::test]
async fn without_a_limit_all_calls_run() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(None)).await;
    let clients: Vec<_> = (0..20).map(|_| library.client("a")).collect();
    let mut requests: Vec<_> = clients
        .iter()
        .map(|client| Box::pin(client.send_json(shelf(1))))
        .collect();
    for request in &mut requests {
        assert_waits(request.as_mut());
    }
    assert_eq!(library.running(), 20);
}

/// A client that has sent many requests waits again for each of them.
#[tokio::test]
async fn many_requests_do_not_delay_another_client() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(1)).await;
    let (greedy, modest) = (library.client("greedy"), library.client("modest"));
    let mut many = pin!(async {
        for id in 0..5 {
            greedy.send_json(shelf(id)).await;
        }
    });
    let mut one = pin!(modest.send_json(shelf(1)));
    assert_waits(many.as_mut());
    assert_waits(one.as_mut());
    library.gate.may_end.add_permits(6);
    tokio::join!(many, one);
    let users = library.users();
    assert_eq!(users[..3], ["greedy", "modest", "greedy"]);
}

#[tokio::test]
async fn unguarded_group_does_not_wait() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(1)).await;
    let (first, mut second) = (library.client("a"), library.client("b"));
    let mut running = pin!(first.send_json(shelf(1)));
    assert_waits(running.as_mut());
    second.send_json(book(7)).await;
    expect_subscribed(&mut second, 7).await;
}

/// The query for the row uses a connection also.
#[tokio::test]
async fn retrieve_counts_as_a_call() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(1)).await;
    let (first, mut second) = (library.client("a"), library.client("b"));
    let mut running = pin!(first.send_json(shelf(1)));
    assert_waits(running.as_mut());
    let other = library.client("b");
    drop(other);
    {
        let mut retrieve = pin!(second.send_json(json!({
            "type": "subscribe", "id": 1, "action": "retrieve", "model": "library.Book",
            "lookup_by": 7, "view_kwargs": {},
        })));
        assert_waits(retrieve.as_mut());
        assert_eq!(library.waiting(), 1.0);
        library.gate.may_end.add_permits(1);
        tokio::join!(running, retrieve);
    }
    assert_eq!(second.receive_json().await["code"], 404);
}

/// The time of a call does not include the time for which its request has waited.
#[tokio::test]
async fn timeout_begins_with_the_call() {
    let library = Library::open(|limits| {
        let limits = limits.max_concurrent_authorize(1);
        limits.authorize_timeout(Duration::from_millis(50))
    })
    .await;
    let (mut slow, mut quick) = (library.client("slow"), library.client("quick"));
    let (slow_request, quick_request) = (slow.send_json(shelf(1)), quick.send_json(shelf(2)));
    tokio::join!(slow_request, quick_request);
    assert_eq!(slow.receive_json().await["code"], 503);
    expect_subscribed(&mut quick, 2).await;
}

#[tokio::test]
async fn request_that_waits_too_long_is_503() {
    let library = Library::open(|limits| {
        let limits = limits.max_concurrent_authorize(1);
        limits.authorize_wait_timeout(Duration::from_millis(5))
    })
    .await;
    let (first, mut second) = (library.client("a"), library.client("b"));
    let mut running = pin!(first.send_json(shelf(1)));
    assert_waits(running.as_mut());
    second.send_json(shelf(2)).await;
    let answer = second.receive_json().await;
    assert_eq!(
        (&answer["code"], &answer["retry"]),
        (&json!(503), &json!(true))
    );
    assert_eq!(library.users(), ["a"]);
    // It has left the queue.
    library.gate.may_end.add_permits(2);
    running.await;
    second.send_json(shelf(2)).await;
    expect_subscribed(&mut second, 2).await;
}

/// A session without a socket ends when it is dropped; its request is dropped with it.
#[tokio::test]
async fn closed_session_is_not_asked_about() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(1)).await;
    let (first, second) = (library.client("a"), library.client("b"));
    let mut running = pin!(first.send_json(shelf(1)));
    let mut waiting = pin!(second.send_json(shelf(2)));
    assert_waits(running.as_mut());
    assert_waits(waiting.as_mut());
    assert_eq!(library.live.disconnect(|reader| reader.name == "b"), 1);
    library.gate.may_end.add_permits(2);
    tokio::join!(running, waiting);
    assert_eq!(library.users(), ["a"]);
}

/// The server reads nothing from a client whose request waits, but learns that it hung up.
#[tokio::test]
async fn client_that_hung_up_is_not_asked_about() {
    let library = Library::open(|limits| limits.max_concurrent_authorize(1)).await;
    let names = Arc::new(Mutex::new(vec!["d", "c", "b", "a"]));
    let gate = Arc::clone(&library.gate);
    let user = warp::any().map(move || Reader {
        name: names.lock().unwrap().pop().unwrap(),
        gate: Arc::clone(&gate),
    });
    let route = warp::path("ws").and(rest_live::warp::subscriptions_as(&library.live, user));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/ws", listener.local_addr().unwrap());
    let server = tokio::spawn(warp::serve(route).incoming(listener).run());

    let mut sockets = Vec::new();
    for (waiting, id) in [0.0, 1.0, 2.0].into_iter().zip(1..) {
        let (mut socket, _) = connect_async(&url).await.unwrap();
        let request = Message::text(shelf(id).to_string());
        socket.send(request).await.unwrap();
        until("the request", || {
            library.running() == 1 && library.waiting() == waiting
        })
        .await;
        sockets.push(socket);
    }
    // Without a close frame, as when a network or a browser dies.
    drop(sockets.remove(1));
    // The answer to another connection: the server has seen everything that came before.
    let (mut witness, _) = connect_async(&url).await.unwrap();
    witness
        .send(Message::text(book(9).to_string()))
        .await
        .unwrap();
    witness.next().await.unwrap().unwrap();
    library.gate.may_end.add_permits(3);
    for socket in &mut sockets {
        let answer = socket.next().await.unwrap().unwrap();
        assert!(answer.to_text().unwrap().contains("subscribed"), "{answer}");
    }
    assert_eq!(library.users(), ["a", "c"]);
    server.abort();
}
