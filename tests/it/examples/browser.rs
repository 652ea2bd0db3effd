//! The pages of the examples in a real browser: headless Chromium.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use chromiumoxide::{
    Page,
    cdp::browser_protocol::network::{EnableParams, EventRequestWillBeSent},
};
use futures_util::StreamExt;

use crate::support::{Chromium, Example, TICK, soon};

/// Opens the page of an example and waits until it is live. Returns the page and the URLs that it
/// requests.
async fn open(chromium: &Chromium, app: &Example) -> (Page, Arc<Mutex<Vec<String>>>) {
    let page = chromium.page("about:blank").await;
    page.execute(EnableParams::default()).await.unwrap();
    let mut sent = page
        .event_listener::<EventRequestWillBeSent>()
        .await
        .unwrap();
    let requests = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&requests);
    tokio::spawn(async move {
        while let Some(event) = sent.next().await {
            list.lock().unwrap().push(event.request.url.clone());
        }
    });
    page.goto(app.url("/")).await.unwrap();
    wait_for(&page, "document.body.dataset.state === 'live'").await;
    (page, requests)
}

/// Waits until an expression of JavaScript is true in a page.
async fn wait_for(page: &Page, expression: &str) {
    let script = format!(
        "new Promise(done => {{ const look = () => ({expression}) ? done(true) : setTimeout(look, 10); look(); }})"
    );
    // The page may be loading another document, which ends the script.
    soon(expression, async {
        while page.evaluate(script.as_str()).await.is_err() {}
    })
    .await;
}

fn row(id: i32, text: &str) -> String {
    format!(
        r#"[...document.querySelectorAll('[data-task-id="{id}"]')].some(row => row.outerHTML.includes('{text}') || [...row.querySelectorAll('input')].some(input => input.value === '{text}'))"#
    )
}

#[tokio::test]
async fn changes_appear_in_every_tab() {
    let app = Example::start("todolist").await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    app.post("/api/lists", r#"{"name":"Work"}"#).await;
    let chromium = Chromium::launch().await;
    let (one, one_requests) = open(&chromium, &app).await;
    let (other, other_requests) = open(&chromium, &app).await;
    assert!(
        one_requests
            .lock()
            .unwrap()
            .iter()
            .any(|url| url.contains("/api/lists")),
        "the requests of the page were not recorded"
    );
    let loaded = (
        one_requests.lock().unwrap().len(),
        other_requests.lock().unwrap().len(),
    );

    let start = Instant::now();
    app.post("/api/tasks", r#"{"text":"milk","list_id":1}"#)
        .await;
    for page in [&one, &other] {
        wait_for(
            page,
            &format!(
                r#"document.querySelector('[data-list-id="1"] [data-task-id="1"]') && {}"#,
                row(1, "milk")
            ),
        )
        .await;
    }
    eprintln!(
        "a task created over HTTP was in two tabs after {:?}",
        start.elapsed()
    );

    app.http("PATCH", "/api/tasks/1", r#"{"done":true,"list_id":2}"#)
        .await;
    app.post("/api/lists", r#"{"name":"A new list"}"#).await;
    app.post("/api/tasks", r#"{"text":"in the new list","list_id":3}"#)
        .await;
    app.http("PATCH", "/api/lists/1", r#"{"name":"House"}"#)
        .await;
    app.post("/api/tasks", r#"{"text":"goes again","list_id":1}"#)
        .await;
    app.http("DELETE", "/api/tasks/3", "").await;
    app.http("DELETE", "/api/lists/1", "").await;
    for page in [&one, &other] {
        wait_for(
            page,
            r#"document.querySelector('[data-list-id="2"] [data-task-id="1"].done')"#,
        )
        .await;
        wait_for(page, r#"document.querySelector('[data-list-id="3"]')"#).await;
        wait_for(page, r#"!document.querySelector('[data-list-id="1"]') && !document.querySelector('[data-task-id="3"]')"#).await;
    }
    let after = (
        one_requests.lock().unwrap().clone(),
        other_requests.lock().unwrap().clone(),
    );
    // A page loads the tasks of a new list. Everything else comes from the websocket.
    for (loaded, requests) in [(loaded.0, after.0), (loaded.1, after.1)] {
        assert_eq!(requests[loaded..], [app.url("/api/tasks?list_id=3")]);
    }
    chromium.close().await;
}

/// Records each state that the page shows: how many tasks are in lists 1 and 2, and how many are
/// done.
const RECORD_STATES: &str = r#"
    window.states = [];
    const count = selector => document.querySelectorAll(selector).length;
    const state = () => [count('[data-list-id="1"] li'), count('[data-list-id="2"] li'), count('li.done')].join();
    const record = () => { if (states.at(-1) !== state()) states.push(state()); };
    record();
    new MutationObserver(record)
        .observe(document.querySelector('#lists'), { subtree: true, childList: true, attributes: true });
"#;

async fn states(page: &Page) -> Vec<String> {
    page.evaluate("states").await.unwrap().into_value().unwrap()
}

#[tokio::test]
async fn each_transaction_is_drawn_in_one_step() {
    let app = Example::start("todolist").await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    app.post("/api/lists", r#"{"name":"Work"}"#).await;
    let chromium = Chromium::launch().await;
    let (page, _) = open(&chromium, &app).await;
    page.evaluate(RECORD_STATES).await.unwrap();
    let tasks = vec![r#"{"text":"x","list_id":1}"#; 20].join(",");
    app.post("/api/tasks/bulk", &format!("[{tasks}]")).await;
    app.http("PATCH", "/api/tasks?list_id=1", r#"{"done":true}"#)
        .await;
    app.http("PATCH", "/api/tasks/1", r#"{"list_id":2,"done":false}"#)
        .await;
    app.http("POST", "/api/lists/1/move", r#"{"to":2}"#).await;
    app.http("DELETE", "/api/tasks?done=true", "").await;
    app.http("DELETE", "/api/lists/2", "").await;
    wait_for(&page, "states.at(-1) === '0,0,0' && states.length > 1").await;
    wait_for(&page, r#"!document.querySelector('[data-list-id="2"]')"#).await;
    assert_eq!(
        states(&page).await,
        [
            "0,0,0", "20,0,0", "20,0,20", "19,1,19", "0,20,19", "0,1,0", "0,0,0"
        ]
    );
    chromium.close().await;
}

#[tokio::test]
async fn page_resumes_in_one_step_without_loading() {
    let app = Example::start("todolist").await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    app.post("/api/lists", r#"{"name":"Work"}"#).await;
    for text in ["a", "b", "c"] {
        app.post("/api/tasks", &format!(r#"{{"text":"{text}","list_id":1}}"#))
            .await;
    }
    let chromium = Chromium::launch().await;
    let (page, requests) = open(&chromium, &app).await;
    wait_for(&page, &row(3, "c")).await;
    page.evaluate(RECORD_STATES).await.unwrap();
    let loaded = requests.lock().unwrap().len();

    page.evaluate("window.reconnect = connect; connect = () => {}; socket.close()")
        .await
        .unwrap();
    wait_for(&page, "document.body.dataset.state === 'reconnecting'").await;
    app.http("PATCH", "/api/tasks/1", r#"{"done":true}"#).await;
    app.http("POST", "/api/lists/1/move", r#"{"to":2}"#).await;
    app.http("DELETE", "/api/tasks/2", "").await;
    app.post("/api/tasks", r#"{"text":"d","list_id":1}"#).await;
    page.evaluate("reconnect()").await.unwrap();
    wait_for(&page, &row(4, "d")).await;
    wait_for(&page, "document.body.dataset.state === 'live'").await;
    assert_eq!(states(&page).await, ["3,0,0", "1,2,1"]);
    let requests = requests.lock().unwrap().clone();
    assert!(requests[loaded..].is_empty(), "{:?}", &requests[loaded..]);
    chromium.close().await;
}

#[tokio::test]
async fn own_change_is_drawn_before_the_editor_closes() {
    let app = Example::start("todolist").await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    let chromium = Chromium::launch().await;
    let (page, _) = open(&chromium, &app).await;
    // A new list is on the page, and has the focus, when the answer to its `sync` arrives.
    page.evaluate(
        r#"const form = document.querySelector('#new-list');
        form.querySelector('input').value = 'Garden';
        form.requestSubmit();"#,
    )
    .await
    .unwrap();
    wait_for(
        &page,
        r#"document.activeElement.closest('[data-list-id="2"]') !== null"#,
    )
    .await;
    // The old name never returns after the editor has closed.
    page.evaluate(
        r#"const name = document.querySelector('[data-list-id="2"] h2 .text');
        window.names = [];
        name.click();
        new MutationObserver(() => { if (!name.hidden) names.push(name.textContent); })
            .observe(name, { attributes: true, attributeFilter: ['hidden'] });
        const editor = document.querySelector('.editor');
        editor.value = 'Balcony';
        editor.onblur();"#,
    )
    .await
    .unwrap();
    wait_for(&page, "names.length > 0").await;
    let names = page.evaluate("names").await.unwrap();
    assert_eq!(names.into_value::<Vec<String>>().unwrap(), ["Balcony"]);
    chromium.close().await;
}

#[tokio::test]
async fn page_reconnects_after_an_outage() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!(
        "sqlite://{}?mode=rwc",
        folder.path().join("todolist.sqlite").display()
    );
    let app = Example::start_with("todolist", |command| command.env("DATABASE_URL", &url)).await;
    app.post("/api/lists", r#"{"name":"Home"}"#).await;
    app.post("/api/tasks", r#"{"text":"before","list_id":1}"#)
        .await;
    let chromium = Chromium::launch().await;
    let (page, _) = open(&chromium, &app).await;
    wait_for(&page, &row(1, "before")).await;

    let addr = app.addr.clone();
    assert!(app.end("TERM").await.success());
    wait_for(&page, "document.body.dataset.state !== 'live'").await;
    let app = Example::start_with("todolist", |command| {
        command
            .env("DATABASE_URL", &url)
            .env("TODOLIST_ADDR", &addr)
    })
    .await;
    app.http("PATCH", "/api/tasks/1", r#"{"text":"meanwhile"}"#)
        .await;
    wait_for(&page, &row(1, "meanwhile")).await;
    wait_for(&page, "document.body.dataset.state === 'live'").await;
    app.post("/api/tasks", r#"{"text":"and on","list_id":1}"#)
        .await;
    wait_for(&page, &row(2, "and on")).await;
    chromium.close().await;
}

/// Signs in on the page of the members example, by cookie or by token.
async fn sign_in(page: &Page, by_token: bool) {
    let script = format!(
        "const form = document.querySelector('#sign-in');
         form.querySelector('[type=text]').value = 'ada';
         form.querySelector('[type=checkbox]').checked = {by_token};
         form.requestSubmit();"
    );
    page.evaluate(script).await.unwrap();
    let signed_in = "document.querySelector('#me').textContent === 'ada' && document.body.dataset.state === 'live'";
    wait_for(page, signed_in).await;
}

fn task(text: &str) -> String {
    format!(
        "[...document.querySelectorAll('.tasks .text')].some(task => task.textContent === '{text}')"
    )
}

/// Writes as the page does, and returns the status.
async fn request(page: &Page, method: &str, path: &str, body: &str) -> bool {
    let script = format!("api('{method}', '{path}', {body}).then(answer => Boolean(answer))");
    let answer = page.evaluate(script).await.unwrap();
    answer.into_value().unwrap()
}

/// The token of the page expires several times. The page gets another one each time, so that its
/// connection stays.
#[tokio::test]
async fn members_page_signs_in_by_cookie_or_token() {
    let app =
        Example::start_with("members", |command| command.env("MEMBERS_TOKEN_MS", "1000")).await;
    let chromium = Chromium::launch().await;
    for by_token in [false, true] {
        let (page, requests) = open(&chromium, &app).await;
        sign_in(&page, by_token).await;
        let cookies = page.get_cookies().await.unwrap();
        assert_eq!(cookies.is_empty(), by_token, "a token needs no cookie");
        let list = format!("{{name: 'Home {by_token}', public: false}}");
        assert!(request(&page, "POST", "/api/lists", &list).await);
        wait_for(&page, "document.querySelectorAll('.add-task').length === 1").await;
        let add = format!(
            "{{text: 'milk', list_id: {}}}",
            if by_token { 2 } else { 1 }
        );
        assert!(request(&page, "POST", "/api/tasks", &add).await);
        wait_for(&page, &task("milk")).await;
        if by_token {
            page.evaluate("window.first = socket").await.unwrap();
            let renewals = || {
                let requests = requests.lock().unwrap();
                requests
                    .iter()
                    .filter(|url| url.ends_with("/api/token"))
                    .count()
            };
            let before = renewals();
            soon("three more tokens", async {
                while renewals() < before + 3 {
                    tokio::time::sleep(TICK).await;
                }
            })
            .await;
            wait_for(
                &page,
                "window.first === socket && document.body.dataset.state === 'live'",
            )
            .await;
        }
        page.evaluate("document.querySelector('#sign-out').click()")
            .await
            .unwrap();
        wait_for(
            &page,
            "!document.querySelector('#sign-in')?.hidden && document.body.dataset.state === 'live'",
        )
        .await;
        let cookies = page.get_cookies().await.unwrap();
        for cookie in cookies {
            assert!(cookie.value.is_empty(), "{cookie:?}");
        }
        page.close().await.unwrap();
    }
    chromium.close().await;
}

/// A page whose token expired, as after sleep, connects with another token and continues from its
/// cursors: it fetches nothing again.
#[tokio::test]
async fn members_page_resumes_after_its_token_expired() {
    let app =
        Example::start_with("members", |command| command.env("MEMBERS_TOKEN_MS", "1000")).await;
    let chromium = Chromium::launch().await;
    let (page, requests) = open(&chromium, &app).await;
    sign_in(&page, true).await;
    assert!(request(&page, "POST", "/api/lists", "{name: 'Home', public: false}").await);
    wait_for(&page, "document.querySelectorAll('.add-task').length === 1").await;
    // The page does not hear the warning.
    let deaf = "window.codes = [];
        socket.addEventListener('close', event => codes.push(event.code));
        const heard = socket.onmessage;
        socket.onmessage = event => JSON.parse(event.data).type === 'expiring' || heard(event);";
    page.evaluate(deaf).await.unwrap();
    let loaded = requests.lock().unwrap().len();
    wait_for(&page, "codes[0] === 4401").await;
    wait_for(&page, "document.body.dataset.state === 'live'").await;
    assert!(request(&page, "POST", "/api/tasks", "{text: 'milk', list_id: 1}").await);
    wait_for(&page, &task("milk")).await;
    let after = requests.lock().unwrap()[loaded..].to_vec();
    let other = after.iter().filter(|url| {
        !url.ends_with("/api/token") && !url.ends_with("/api/tasks") && !url.contains("/ws/")
    });
    assert_eq!(other.count(), 0, "{after:?}");
    chromium.close().await;
}
