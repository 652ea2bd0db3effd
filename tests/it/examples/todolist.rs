//! The todolist example, as `cargo run --example todolist` starts it: REST, websocket, shutdown.

use std::process::Command;

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Example, soon};

async fn assert_http(
    app: &Example,
    method: &str,
    path: &str,
    body: &str,
    status: u16,
    expected: Value,
) {
    assert_eq!(
        app.http(method, path, body.to_owned()).await,
        (status, expected),
        "{method} {path} {body}"
    );
}

async fn two_lists() -> Example {
    let app = Example::start("todolist").await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    app.post("/api/lists", r#"{"name":"Work"}"#).await;
    app
}

#[tokio::test]
async fn rest_routes_work() {
    let app = Example::start("todolist").await;
    let home = json!({"id": 1, "name": "Home"});
    let milk = json!({"id": 1, "text": "milk", "done": false});
    let rows: [(&str, &str, &str, u16, Value); 24] = [
        ("GET", "/api/lists", "", 200, json!([])),
        (
            "POST",
            "/api/lists",
            r#"{"name":"Home"}"#,
            201,
            home.clone(),
        ),
        ("GET", "/api/lists", "", 200, json!([home])),
        (
            "POST",
            "/api/tasks",
            r#"{"text":"milk","list_id":1}"#,
            201,
            milk.clone(),
        ),
        (
            "POST",
            "/api/tasks",
            r#"{"text":"bread","list_id":1,"done":true}"#,
            201,
            json!({"id": 2, "text": "bread", "done": true}),
        ),
        (
            "GET",
            "/api/lists/1",
            "",
            200,
            json!({"id": 1, "name": "Home", "tasks": [milk, {"id": 2, "text": "bread", "done": true}]}),
        ),
        ("GET", "/api/tasks/1", "", 200, milk.clone()),
        (
            "GET",
            "/api/tasks?list_id=1",
            "",
            200,
            json!([milk, {"id": 2, "text": "bread", "done": true}]),
        ),
        ("GET", "/api/tasks?list_id=2", "", 200, json!([])),
        (
            "GET",
            "/api/tasks?done=true",
            "",
            200,
            json!([{"id": 2, "text": "bread", "done": true}]),
        ),
        (
            "PATCH",
            "/api/lists/1",
            r#"{"name":"House"}"#,
            200,
            json!({"id": 1, "name": "House"}),
        ),
        (
            "PATCH",
            "/api/tasks/1",
            r#"{"done":true}"#,
            200,
            json!({"id": 1, "text": "milk", "done": true}),
        ),
        (
            "PATCH",
            "/api/tasks/1",
            "{}",
            200,
            json!({"id": 1, "text": "milk", "done": true}),
        ),
        (
            "POST",
            "/api/lists",
            r#"{"name":"Work"}"#,
            201,
            json!({"id": 2, "name": "Work"}),
        ),
        (
            "PATCH",
            "/api/tasks/1",
            r#"{"text":"oat milk","list_id":2}"#,
            200,
            json!({"id": 1, "text": "oat milk", "done": true}),
        ),
        (
            "POST",
            "/api/lists/2/move",
            r#"{"to":1}"#,
            200,
            json!({"moved": 1}),
        ),
        (
            "POST",
            "/api/tasks/bulk",
            r#"[{"text":"a","list_id":2},{"text":"b","list_id":2,"done":true}]"#,
            201,
            json!([{"id": 3, "text": "a", "done": false}, {"id": 4, "text": "b", "done": true}]),
        ),
        ("POST", "/api/tasks/bulk", "[]", 201, json!([])),
        (
            "PATCH",
            "/api/tasks?list_id=2",
            r#"{"done":true}"#,
            200,
            json!({"affected": 2}),
        ),
        (
            "DELETE",
            "/api/tasks?list_id=2&done=true",
            "",
            200,
            json!({"affected": 2}),
        ),
        ("DELETE", "/api/tasks/2", "", 204, Value::Null),
        ("DELETE", "/api/lists/1", "", 204, Value::Null),
        ("GET", "/api/tasks", "", 200, json!([])),
        (
            "GET",
            "/api/lists",
            "",
            200,
            json!([{"id": 2, "name": "Work"}]),
        ),
    ];
    for (method, path, body, status, expected) in rows {
        assert_http(&app, method, path, body, status, expected).await;
    }
}

#[tokio::test]
async fn bad_input_is_a_json_error() {
    let app = two_lists().await;
    app.post("/api/tasks", r#"{"text":"milk","list_id":1}"#)
        .await;
    let long = format!(r#"{{"name":"{}"}}"#, "x".repeat(1001));
    let nested = "[".repeat(100_000);
    for (method, path, body, status) in [
        ("GET", "/api/lists/9", "", 404),
        ("PATCH", "/api/lists/9", r#"{"name":"x"}"#, 404),
        ("DELETE", "/api/lists/9", "", 404),
        ("GET", "/api/tasks/9", "", 404),
        ("PATCH", "/api/tasks/9", r#"{"done":true}"#, 404),
        ("DELETE", "/api/tasks/9", "", 404),
        ("GET", "/api/tasks/one", "", 404),
        ("GET", "/api/tasks/99999999999", "", 404),
        ("GET", "/nothing", "", 404),
        ("POST", "/api/lists/9/move", r#"{"to":1}"#, 404),
        ("POST", "/api/lists/1/move", r#"{"to":9}"#, 404),
        ("POST", "/api/lists/1/move", r#"{}"#, 400),
        ("POST", "/api/tasks", r#"{"text":"x","list_id":9}"#, 400),
        ("PATCH", "/api/tasks/1", r#"{"list_id":9}"#, 400),
        ("PATCH", "/api/tasks?list_id=1", r#"{"list_id":9}"#, 400),
        (
            "POST",
            "/api/tasks/bulk",
            r#"[{"text":"a","list_id":1},{"text":"b","list_id":9}]"#,
            400,
        ),
        ("POST", "/api/tasks", r#"{"text":"  ","list_id":1}"#, 400),
        ("POST", "/api/tasks", r#"{"text":1,"list_id":1}"#, 400),
        ("POST", "/api/tasks", r#"{"text":"x"}"#, 400),
        ("POST", "/api/tasks", "{", 400),
        ("POST", "/api/tasks", "\u{0}", 400),
        ("POST", "/api/tasks", nested.as_str(), 400),
        ("POST", "/api/lists", long.as_str(), 400),
        ("POST", "/api/tasks/bulk", "{}", 400),
        ("POST", "/api/lists", r#"["an array"]"#, 400),
        ("PATCH", "/api/tasks/1", r#"["by place",true,2]"#, 400),
        ("PATCH", "/api/tasks", r#"{"done":true}"#, 400),
        ("DELETE", "/api/tasks", "", 400),
        ("DELETE", "/api/tasks?lst_id=1", "", 400),
        ("GET", "/api/tasks?list_id=one", "", 400),
        ("PATCH", "/api/tasks?list_id=1", "{}", 400),
        ("GET", "/ws/subscribe", "", 400),
        ("PUT", "/api/tasks", "{}", 405),
        ("DELETE", "/api/lists", "", 405),
        ("POST", "/", "", 405),
    ] {
        let (actual, json) = app.http(method, path, body.to_owned()).await;
        assert_eq!(actual, status, "{method} {path}: {json}");
        assert!(
            json["error"].as_str().is_some_and(|e| !e.is_empty()),
            "{method} {path}: {json}"
        );
    }
    let (status, json) = app
        .http(
            "POST",
            "/api/tasks/bulk",
            format!("[{}]", [r#"{"text":"x","list_id":1}"#; 10_001].join(",")),
        )
        .await;
    assert_eq!(status, 400, "{json}");
    // Only the header: a client that sends the body may find the connection closed before it reads
    // the answer.
    let mut stream = TcpStream::connect(&app.addr).await.unwrap();
    let head = "POST /api/lists HTTP/1.1
Host: localhost
Content-Length: 2097152
Connection: close

";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut response = String::new();
    soon("the response", stream.read_to_string(&mut response))
        .await
        .unwrap();
    assert!(
        response.starts_with("HTTP/1.1 413 ") && response.contains(r#"{"error":""#),
        "{response}"
    );
    assert_eq!(
        app.http("GET", "/api/tasks", "").await,
        (200, json!([{"id": 1, "text": "milk", "done": false}]))
    );
}

#[tokio::test]
async fn deleting_a_list_broadcasts_each_task() {
    let app = two_lists().await;
    for text in ["a", "b", "c"] {
        app.post("/api/tasks", &format!(r#"{{"text":"{text}","list_id":1}}"#))
            .await;
    }
    let mut client = app.client().await;
    client
        .send(r#"{"model":"todolist.Task","list_id":1}"#)
        .await;
    client
        .subscribe(r#"{"model":"todolist.List","pk":1}"#)
        .await;
    app.http("DELETE", "/api/lists/1", "").await;
    for (id, text) in [(1, "a"), (2, "b"), (3, "c")] {
        client
            .expect(&format!(r#"{{"model":"todolist.Task","payload":{{"id":{id},"text":"{text}","done":false}},"action":"DELETED"}}"#))
            .await;
    }
    client
        .expect(r#"{"model":"todolist.List","payload":{"id":1,"name":"Home"},"action":"DELETED"}"#)
        .await;
}

#[tokio::test]
async fn failed_move_changes_and_sends_nothing() {
    let app = two_lists().await;
    for text in ["a", "b"] {
        app.post("/api/tasks", &format!(r#"{{"text":"{text}","list_id":1}}"#))
            .await;
    }
    let mut client = app.client().await;
    for group in [
        r#""list_id":1"#,
        r#""list_id":2"#,
        r#""list_id":9"#,
        r#""pk":1"#,
    ] {
        client
            .subscribe(&format!(r#"{{"model":"todolist.Task",{group}}}"#))
            .await;
    }
    let (status, _) = app.http("POST", "/api/lists/1/move", r#"{"to":9}"#).await;
    assert_eq!(status, 404);
    // The next frames are those of the next move only.
    assert_eq!(
        app.http("POST", "/api/lists/1/move", r#"{"to":2}"#).await,
        (200, json!({"moved": 2}))
    );
    let mut frames = Vec::new();
    for _ in 0..5 {
        let frame = client.json().await;
        frames.push(format!(
            "{} {}",
            frame["payload"]["text"].as_str().unwrap(),
            frame["action"].as_str().unwrap()
        ));
    }
    assert_eq!(
        frames,
        [
            "a DELETED",
            "a UPDATED",
            "a CREATED",
            "b DELETED",
            "b CREATED"
        ]
    );
}

#[tokio::test]
async fn signals_shut_down_cleanly() {
    for signal in ["INT", "TERM"] {
        let folder = tempfile::tempdir().unwrap();
        let app =
            Example::start_with("todolist", |command| command.env("TMPDIR", folder.path())).await;
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            1,
            "the database is not in a temporary folder"
        );
        // A keep-alive HTTP connection must not delay the shutdown.
        let kept_alive = reqwest::Client::new();
        kept_alive.get(app.url("/api/lists")).send().await.unwrap();
        let mut client = app.client().await;
        client.synchronise().await;
        app.signal(signal);
        assert_eq!(client.closed().await, (1001, "going away".to_owned()));
        drop(client);
        assert!(app.end(signal).await.success(), "{signal}");
        assert_eq!(
            folder.path().read_dir().unwrap().count(),
            0,
            "the database is still in the temporary folder"
        );
    }
}

#[tokio::test]
async fn settings_are_checked_and_database_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("own.sqlite").display()
    );
    for expected in [json!([]), json!([{"id": 1, "name": "Kept"}])] {
        let app =
            Example::start_with("todolist", |command| command.env("DATABASE_URL", &url)).await;
        assert_eq!(app.http("GET", "/api/lists", "").await, (200, expected));
        app.post("/api/lists", r#"{"name":"Kept"}"#).await;
        app.end("TERM").await;
    }

    let occupied = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let occupied = occupied.local_addr().unwrap().to_string();
    let _holder = std::net::TcpListener::bind(&occupied);
    for (name, value, setting) in [
        ("TODOLIST_ADDR", "localhost", "TODOLIST_ADDR"),
        (
            "DATABASE_URL",
            "sqlite:///no/such/folder/db.sqlite?mode=rwc",
            "DATABASE_URL",
        ),
        ("DATABASE_URL", "oracle://somewhere", "DATABASE_URL"),
    ] {
        let mut command = Command::new(Example::program("todolist"));
        command
            .env("TODOLIST_ADDR", "127.0.0.1:0")
            .env_remove("DATABASE_URL")
            .env(name, value);
        let output = soon(
            "the end",
            tokio::task::spawn_blocking(move || command.output()),
        )
        .await
        .unwrap()
        .unwrap();
        assert_eq!(output.status.code(), Some(1), "{name}={value}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(
            stderr.starts_with("todolist: ")
                && stderr.contains(setting)
                && stderr.lines().count() == 1,
            "{name}={value}: {stderr}"
        );
    }
}
