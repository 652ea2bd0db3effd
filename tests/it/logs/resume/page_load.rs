//! A client misses no change between loading a page and subscribing: a thousand clients GET a list
//! during heavy writes, and subscribe with the cursor of the response.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use rest_live::{Live, LiveConnection};
use sea_orm::{ActiveModelTrait, ActiveValue::Unchanged, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::{Value, json};
use tokio::{net::TcpListener, task::JoinSet, time::timeout};
use warp::{Filter, Reply};

use crate::{
    entities::task::{self, TaskSerializer},
    support::{Client, DEADLINE, Engine, database_of, task},
};

const LISTS: i32 = 2;
const ROWS: i32 = 30;
const WRITERS: u64 = 4;
const ROUNDS: i32 = 20;
const CLIENTS: i32 = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn page_misses_nothing_before_it_subscribes() {
    let (plain, database) = database_of(Engine::Postgres).await;
    let live = Live::builder(database.connect().await).build().unwrap();
    let server = Server::start(&live).await;
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let mut writers = JoinSet::new();
        for _ in 0..WRITERS {
            writers.spawn(write(live.db(), Arc::clone(&stop)));
        }
        let mut pages = JoinSet::new();
        for number in 0..CLIENTS {
            let url = server.url.clone();
            pages.spawn(Page::load(url, number % LISTS + 1));
        }
        let mut pages = pages.join_all().await;
        stop.store(true, Relaxed);
        let written: u32 = writers.join_all().await.iter().sum();
        assert!(written > 0, "no write succeeded");
        // After all other writes.
        let last = ROWS + 1 + round;
        for list in 1..=LISTS {
            let id = last * 1000 + list;
            task(id, "the last", list).insert(&live.db()).await.unwrap();
        }
        for page in &mut pages {
            let rows = task::Entity::find()
                .filter(task::Column::ListId.eq(page.list))
                .all(&plain)
                .await
                .unwrap();
            let rows: BTreeMap<_, _> = rows
                .iter()
                .map(|row| (row.id, json!(TaskSerializer::from(row))))
                .collect();
            let last = last * 1000 + page.list;
            // Rows with concurrent writes are read again, and may arrive after the last one.
            let agrees = page.follow(|held| held.contains_key(&last) && *held == rows);
            if timeout(DEADLINE, agrees).await.is_err() {
                panic!(
                    "round {round}: the page holds {:?}, not {rows:?}",
                    page.held
                );
            }
        }
    }
}

/// Inserts, updates, moves and deletes rows until `stop` is set. Returns the number of writes.
async fn write(db: LiveConnection, stop: Arc<AtomicBool>) -> u32 {
    let mut written = 0;
    while !stop.load(Relaxed) {
        let id = fastrand::i32(1..=ROWS);
        let list = fastrand::i32(1..=LISTS);
        let row = task(id, &fastrand::u32(..).to_string(), list);
        // Many writes fail, because another writer has inserted or deleted the row.
        let result = match fastrand::u8(..4) {
            0 => row.insert(&db).await.map(drop),
            1 => row.delete(&db).await.map(drop),
            2 => {
                let mut stays = row;
                stays.list_id = Unchanged(list);
                stays.update(&db).await.map(drop)
            }
            _ => row.update(&db).await.map(drop),
        };
        written += u32::from(result.is_ok());
    }
    written
}

/// An application with a route for a list.
struct Server {
    url: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    async fn start(live: &Live) -> Self {
        let db = live.db();
        let tasks = warp::path!("tasks" / i32)
            .and(warp::get())
            .then(move |list: i32| {
                let db = db.clone();
                async move {
                    let rows = task::Entity::find().filter(task::Column::ListId.eq(list));
                    let rows = rows.all(&db).await.unwrap();
                    let rows: Vec<_> = rows.iter().map(TaskSerializer::from).collect();
                    warp::reply::json(&rows).into_response()
                }
            });
        let tasks = tasks.with(warp::wrap_fn(rest_live::warp::with_cursor(live)));
        let ws = warp::path!("ws").and(rest_live::warp::subscriptions(live));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = listener.local_addr().unwrap().to_string();
        let task = tokio::spawn(warp::serve(tasks.or(ws)).incoming(listener).run());
        Self { url, task }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A page in a browser.
struct Page {
    client: Client,
    list: i32,
    held: BTreeMap<i32, Value>,
}

impl Page {
    async fn load(url: String, list: i32) -> Self {
        let response = reqwest::get(format!("http://{url}/tasks/{list}"))
            .await
            .unwrap();
        let headers = response.headers();
        assert_eq!(headers["access-control-expose-headers"], "Live-Cursor");
        let cursor = headers["live-cursor"].to_str().unwrap().to_owned();
        let rows: Vec<Value> = response.json().await.unwrap();
        let id = |row: &Value| row["id"].as_i64().unwrap().try_into().unwrap();
        let held = rows.into_iter().map(|row| (id(&row), row)).collect();
        // As if the script of the page were slow.
        for _ in 0..fastrand::u32(..100) {
            tokio::task::yield_now().await;
        }
        let mut client = Client::connect(&format!("ws://{url}/ws")).await;
        let request = json!({
            "id": 1, "model": "todolist.Task", "group": {"list_id": list}, "since": cursor,
        });
        client.send(&request.to_string()).await;
        let subscribed = client.json().await;
        assert_eq!(subscribed["type"], "subscribed", "{subscribed}");
        assert_eq!(subscribed["recovered"], true, "{subscribed}");
        Self { client, list, held }
    }

    /// Applies frames until `agrees` returns true for the rows.
    async fn follow(&mut self, agrees: impl Fn(&BTreeMap<i32, Value>) -> bool) {
        while !agrees(&self.held) {
            let mut frame = self.client.json().await;
            if frame["type"] == "unit" {
                continue;
            }
            assert_eq!(frame["type"], "broadcast", "{frame}");
            let id = frame["payload"]["id"].as_i64().unwrap().try_into().unwrap();
            match frame["action"].as_str() {
                Some("DELETED") => _ = self.held.remove(&id),
                _ => _ = self.held.insert(id, frame["payload"].take()),
            }
        }
    }
}
