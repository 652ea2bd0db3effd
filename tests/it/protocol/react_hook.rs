//! A model of the React hook of django-rest-live 0.7: the exact requests that it sends, and how it
//! handles the frames that it receives. Both were measured on the real hook, built from its source
//! (`@pennlabs/rest-live-hooks` 2.0.2-alpha.0).

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder,
};
use serde_json::{Value, json};

use crate::{
    entities::task::{self, TaskSerializer},
    support::{App, Client},
};

/// The rows that a hook subscribes to.
#[derive(Clone, Copy, PartialEq)]
enum Selector {
    List(i32),
    Row(i32),
}

/// One use of the hook in a page.
struct Hook {
    id: u64,
    selector: Selector,
    /// The rows that it shows, by `id`.
    rows: BTreeMap<u64, Value>,
    broadcasts: usize,
}

impl Hook {
    fn request(&self) -> String {
        let id = self.id;
        match self.selector {
            Selector::List(list) => format!(
                r#"{{"type":"subscribe","id":{id},"action":"list","view_kwargs":{{"list_id":{list}}},"query_params":{{}},"model":"todolist.Task"}}"#
            ),
            Selector::Row(row) => format!(
                r#"{{"type":"subscribe","id":{id},"action":"retrieve","view_kwargs":{{}},"query_params":{{}},"model":"todolist.Task","lookup_by":{row}}}"#
            ),
        }
    }

    /// Applies a broadcast that has its id. The hook compares the ids of rows with `===`: a string
    /// and a number are different ids.
    fn apply(&mut self, broadcast: &Value) {
        self.broadcasts += 1;
        let instance = broadcast["instance"].as_object();
        let instance = instance.unwrap_or_else(|| panic!("the hook throws at {broadcast}"));
        let known = instance.get("id").and_then(Value::as_u64);
        let known = known.filter(|id| self.rows.contains_key(id));
        match (broadcast["action"].as_str(), known) {
            (Some("CREATED"), None) => {
                let id = instance["id"].as_u64();
                let id = id.unwrap_or_else(|| panic!("REST's ids are numbers: {broadcast}"));
                self.rows.insert(id, instance.clone().into());
            }
            (Some("CREATED" | "UPDATED"), Some(id)) => {
                let row = self.rows.get_mut(&id).and_then(Value::as_object_mut);
                row.unwrap().extend(instance.clone());
            }
            (Some("DELETED"), Some(id)) => _ = self.rows.remove(&id),
            (Some("UPDATED" | "DELETED"), None) => {}
            _ => panic!("the hook does not know this action: {broadcast}"),
        }
    }

    /// Fetches its rows as REST returns them.
    async fn revalidate(&mut self, app: &App) {
        self.rows = rest(app, self.selector).await;
    }
}

async fn rest(app: &App, selector: Selector) -> BTreeMap<u64, Value> {
    let filter = match selector {
        Selector::List(list) => task::Column::ListId.eq(list),
        Selector::Row(row) => task::Column::Id.eq(row),
    };
    let rows = task::Entity::find().filter(filter);
    let rows = rows.order_by_asc(task::Column::Id).all(&app.db()).await;
    let rows = rows.unwrap();
    let shown = rows.iter().map(|row| {
        let row = serde_json::to_value(TaskSerializer::from(row)).unwrap();
        (row["id"].as_u64().unwrap(), row)
    });
    shown.collect()
}

/// A page with hooks, which share one websocket.
struct Page {
    client: Client,
    hooks: Vec<Hook>,
    next_id: u64,
}

impl Page {
    async fn open(app: &App) -> Self {
        Self {
            client: app.client().await,
            hooks: Vec::new(),
            next_id: 0,
        }
    }

    /// Sends requests, handles frames until the server has processed all requests, and returns the
    /// errors.
    async fn send(&mut self, requests: &[String]) -> Vec<Value> {
        for request in requests {
            self.client.send(request).await;
        }
        self.client.send("this is not a request").await;
        let mut errors = Vec::new();
        loop {
            let frame = self.client.json().await;
            match (&frame["type"], frame.get("id")) {
                (Value::String(error), None) if error == "error" => return errors,
                (Value::String(error), Some(_)) if error == "error" => {
                    self.receive(&frame);
                    errors.push(frame);
                }
                _ => self.receive(&frame),
            }
        }
    }

    /// Mounts a hook, which subscribes and then fetches. The real hook does not wait before it
    /// fetches, because there is no acknowledgement, and may miss a write. This model waits.
    async fn mount(&mut self, app: &App, selector: Selector) -> u64 {
        let mut hook = Hook {
            id: self.next_id,
            selector,
            rows: BTreeMap::new(),
            broadcasts: 0,
        };
        self.next_id += 1;
        let request = hook.request();
        hook.revalidate(app).await;
        let id = hook.id;
        self.hooks.push(hook);
        assert_eq!(self.send(&[request]).await, NONE);
        self.hook(id).revalidate(app).await;
        id
    }

    /// Unmounts a hook, and returns what it sends.
    fn unmount(&mut self, id: u64) -> String {
        self.hooks.retain(|hook| hook.id != id);
        format!(r#"{{"type":"unsubscribe","id":{id}}}"#)
    }

    /// Connects again. Sends the requests that were `queued` without a connection, then subscribes
    /// every hook under its id. Returns the errors.
    async fn reconnect(&mut self, app: &App, mut queued: Vec<String>) -> Vec<Value> {
        self.client = app.client().await;
        queued.extend(self.hooks.iter().map(Hook::request));
        self.send(&queued).await
    }

    async fn revalidate(&mut self, app: &App) {
        for hook in &mut self.hooks {
            hook.revalidate(app).await;
        }
    }

    fn hook(&mut self, id: u64) -> &mut Hook {
        let hook = self.hooks.iter_mut().find(|hook| hook.id == id);
        hook.unwrap()
    }

    /// Applies a frame with a `model` to the hook with its id. Ignores other frames.
    fn receive(&mut self, frame: &Value) {
        if frame["model"].is_null() {
            return;
        }
        let hook = self.hooks.iter_mut().find(|hook| frame["id"] == hook.id);
        let hook = hook.unwrap_or_else(|| panic!("no hook subscribed to {frame}"));
        hook.apply(frame);
    }

    /// Handles all pending frames, and asserts that each hook shows the rows of REST.
    async fn assert_up_to_date(&mut self, app: &App) {
        let end = Hook {
            id: u64::MAX,
            selector: Selector::List(-1),
            rows: BTreeMap::new(),
            broadcasts: 0,
        };
        let request = end.request();
        self.hooks.push(end);
        assert_eq!(self.send(&[request]).await, NONE);
        app.insert_task(1_000_000, "the end", -1).await;
        while self.hook(u64::MAX).rows.is_empty() {
            let frame = self.client.json().await;
            self.receive(&frame);
        }
        // On a plain connection, so that no client is notified.
        let delete = task::Entity::delete_by_id(1_000_000);
        delete.exec(&app.plain).await.unwrap();
        let request = self.unmount(u64::MAX);
        assert_eq!(self.send(&[request]).await, NONE);
        for hook in &self.hooks {
            let rest = rest(app, hook.selector).await;
            assert_eq!(hook.rows, rest, "hook {}", hook.id);
        }
    }
}

const NONE: Vec<Value> = Vec::new();

/// Makes random writes, the same in each run: inserts, updates, moves among the lists 1 to 3,
/// deletes.
struct Writer {
    seed: u64,
    /// Ids of the rows that exist.
    rows: Vec<i32>,
    next_row: i32,
}

impl Writer {
    fn random(&mut self, below: usize) -> usize {
        // Knuth's MMIX.
        self.seed = self
            .seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.seed >> 33) as usize % below
    }

    async fn write(&mut self, app: &App, times: usize) {
        let db = app.db();
        for n in 0..times {
            let list = Set(1 + self.random(3) as i32);
            let kind = self.random(8);
            if self.rows.is_empty() || kind < 2 {
                let id = self.next_row;
                self.next_row += 1;
                let task = task::ActiveModel {
                    id: Set(id),
                    text: Set(format!("{id} is new")),
                    done: Set(false),
                    list_id: list,
                };
                task.insert(&db).await.unwrap();
                self.rows.push(id);
                continue;
            }
            let index = self.random(self.rows.len());
            let mut task = task::ActiveModel {
                id: Set(self.rows[index]),
                ..Default::default()
            };
            match kind {
                2 => {
                    self.rows.swap_remove(index);
                    task.delete(&db).await.unwrap();
                    continue;
                }
                3..5 => task.text = Set(format!("written {n}")),
                5 => task.done = Set(n % 2 == 0),
                6 => task.list_id = list,
                _ => (task.list_id, task.text) = (list, Set(format!("moved {n}"))),
            }
            task.update(&db).await.unwrap();
        }
    }
}

#[tokio::test]
async fn page_of_0_7_shows_what_rest_shows() {
    let app = App::start().await;
    let mut writer = Writer {
        seed: 7,
        rows: Vec::new(),
        next_row: 1,
    };
    writer.write(&app, 20).await;
    app.insert_task(500, "the row", 1).await;

    // Three hooks on one list, as in a real application, and two others.
    let mut page = Page::open(&app).await;
    for (id, selector) in [
        Selector::List(1),
        Selector::List(1),
        Selector::List(1),
        Selector::List(2),
        Selector::Row(500),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(page.mount(&app, selector).await, id as u64);
        writer.write(&app, 3).await;
    }
    page.assert_up_to_date(&app).await;
    writer.write(&app, 120).await;
    let row = |text: &str, list| task::ActiveModel {
        text: Set(text.to_owned()),
        ..crate::support::task(500, text, list)
    };
    row("the row, moved", 2).update(&app.db()).await.unwrap();
    page.assert_up_to_date(&app).await;
    let counts: Vec<_> = page.hooks.iter().map(|hook| hook.broadcasts).collect();
    assert!(counts.iter().all(|count| *count > 0), "{counts:?}");

    // One hook is unmounted. It receives nothing more, and the others receive everything.
    let request = page.unmount(1);
    assert_eq!(page.send(&[request]).await, NONE);
    writer.write(&app, 60).await;
    page.assert_up_to_date(&app).await;

    // The connection is lost. Meanwhile another hook is unmounted, and the row of a third is
    // deleted.
    page.client.socket.close(None).await.unwrap();
    let queued = page.unmount(2);
    writer.write(&app, 30).await;
    row("", 2).delete(&app.db()).await.unwrap();
    let errors = page.reconnect(&app, vec![queued]).await;
    let errors: Vec<_> = errors.iter().map(|e| (&e["id"], &e["code"])).collect();
    let (unknown, gone) = (json!(2), json!(4));
    assert_eq!(errors, [(&unknown, &json!(404)), (&gone, &json!(404))]);
    // The page receives these writes before it fetches. They change nothing in the result.
    writer.write(&app, 10).await;
    page.revalidate(&app).await;
    writer.write(&app, 60).await;
    page.assert_up_to_date(&app).await;
    let rows: usize = page.hooks.iter().map(|hook| hook.rows.len()).sum();
    assert!(rows > 0, "the page shows no row");
}
