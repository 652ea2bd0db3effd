//! The cursor of a response whose rows come from a cache.

use std::sync::Arc;

use reqwest::{Client as Http, Method, Response};
use rest_live::{
    Live, LiveConnection,
    log::Cursor,
    warp::{with_cursor, with_stored_cursor, without_cursor},
};
use sea_orm::EntityTrait;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::OnceCell};
use warp::{
    Filter, Reply,
    http::StatusCode,
    reply::{self, Response as WarpResponse},
};

use crate::{
    entities::task::{self, TaskSerializer},
    support::{App, Client},
};

/// A page in a cache that never expires.
struct Cached {
    json: String,
    cursor: Option<Cursor>,
}

type Cache = Arc<OnceCell<Cached>>;

async fn load<'c>(cache: &'c Cache, live: &Live, db: &LiveConnection) -> &'c Cached {
    let load = async || {
        let cursor = live.cursor(); // before the query
        let rows = task::Entity::find().all(db).await.unwrap();
        let rows: Vec<_> = rows.iter().map(TaskSerializer::from).collect();
        let json = serde_json::to_string(&rows).unwrap();
        Cached { json, cursor }
    };
    cache.get_or_init(load).await
}

/// Serves the routes inside `with_cursor`, and returns the address.
async fn serve<R: Reply + Send + 'static>(
    live: &Live,
    routes: impl Filter<Extract = (R,), Error = warp::Rejection> + Clone + Send + Sync + 'static,
) -> String {
    let routes = routes.with(warp::wrap_fn(with_cursor(live)));
    let ws = warp::path!("ws").and(rest_live::warp::subscriptions(live));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    tokio::spawn(warp::serve(ws.or(routes)).incoming(listener).run());
    addr
}

async fn request(method: Method, addr: &str, path: &str) -> Response {
    let request = Http::new().request(method, format!("http://{addr}/{path}"));
    request.send().await.unwrap()
}

fn cursor(response: &Response) -> Option<&str> {
    let header = response.headers().get("live-cursor");
    header.map(|cursor| cursor.to_str().unwrap())
}

#[tokio::test]
async fn cached_page_resumes_from_its_own_cursor() {
    let app = App::start().await;
    app.insert_task(1, "milk", 1).await;
    let live = app.live.clone();
    let cache = Cache::default();
    let tasks = warp::path!("tasks").then(move || {
        let (live, cache) = (live.clone(), cache.clone());
        async move {
            let cached = load(&cache, &live, &live.db()).await;
            with_stored_cursor(cached.json.clone(), cached.cursor.as_ref())
        }
    });
    let addr = serve(&app.live, tasks).await;
    let first = request(Method::GET, &addr, "tasks").await;
    let stored = cursor(&first).expect("a cursor").to_owned();

    app.insert_task(2, "bread", 1).await;
    let again = request(Method::GET, &addr, "tasks").await;
    assert_eq!(cursor(&again), Some(&*stored));
    let rows: Vec<Value> = again.json().await.unwrap();
    assert_eq!(rows.len(), 1, "the page is from before the second task");

    let mut client = Client::connect(&format!("ws://{addr}/ws")).await;
    let subscribe = json!({
        "id": 1, "model": "todolist.Task", "group": {"list_id": 1}, "since": stored,
    });
    client.send(&subscribe.to_string()).await;
    assert_eq!(client.json().await["recovered"], true);
    let missed = client.json().await;
    assert_eq!(
        (&missed["action"], &missed["payload"]["id"]),
        (&json!("CREATED"), &json!(2))
    );
}

#[tokio::test]
async fn only_fresh_rows_get_a_fresh_cursor() {
    let app = App::start().await;
    app.insert_task(1, "milk", 1).await;
    let old: Cursor = "old.7".parse().unwrap();
    let status = |status: StatusCode| reply::with_status("", status).into_response();
    let routes = warp::path::param().map(move |kind: String| -> WarpResponse {
        match &*kind {
            "fresh" => "rows".into_response(),
            "stored" => with_stored_cursor("rows", &old),
            "stored-unchanged" => with_stored_cursor(status(StatusCode::NOT_MODIFIED), &old),
            "stored-none" => with_stored_cursor("rows", None),
            "without" => without_cursor("rows"),
            "own" => reply::with_header("rows", "Live-Cursor", "own.1").into_response(),
            "stored-over-own" => {
                with_stored_cursor(reply::with_header("rows", "Live-Cursor", "own.1"), &old)
            }
            "unchanged" => status(StatusCode::NOT_MODIFIED),
            _ => status(StatusCode::NOT_FOUND),
        }
    });
    let addr = serve(&app.live, routes).await;
    let fresh = app.live.cursor().unwrap().to_string();
    for (method, path, expected) in [
        (Method::GET, "fresh", Some(&*fresh)),
        (Method::GET, "stored", Some("old.7")),
        (Method::GET, "stored-unchanged", Some("old.7")),
        (Method::GET, "stored-none", None),
        (Method::GET, "without", None),
        (Method::GET, "own", Some("own.1")),
        (Method::GET, "stored-over-own", Some("old.7")),
        // A cache would attach a fresh cursor to the older body that it holds: RFC 9111, sections
        // 4.3.4 and 4.3.5.
        (Method::GET, "unchanged", None),
        (Method::HEAD, "fresh", None),
        (Method::HEAD, "stored", Some("old.7")),
        (Method::GET, "missing", None),
        // A cursor after the writes of the request, also if it failed.
        (Method::POST, "fresh", Some(&*fresh)),
        (Method::PUT, "fresh", Some(&*fresh)),
        (Method::PATCH, "missing", Some(&*fresh)),
        (Method::DELETE, "missing", Some(&*fresh)),
        (Method::POST, "stored", Some("old.7")),
        (Method::POST, "without", None),
        (Method::OPTIONS, "fresh", None),
    ] {
        let response = request(method.clone(), &addr, path).await;
        assert_eq!(cursor(&response), expected, "{method} {path}");
        let exposed = response.headers().get_all("access-control-expose-headers");
        let exposed: Vec<_> = exposed.iter().collect();
        assert_eq!(
            exposed.len(),
            usize::from(expected.is_some()),
            "{method} {path}"
        );
    }
}
