//! The React hook of django-rest-live 0.7, in a model of it: what it sends, to the byte, and what it
//! makes of what comes. Both were measured on the real one, built from its source
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

/// What one use of the hook follows.
#[derive(Clone, Copy, PartialEq)]
enum Selector {
    List(i32),
    Row(i32),
}

/// One use of the hook in a page.
struct Hook {
    id: u64,
    selector: Selector,
    /// What it shows, by `id`.
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

    /// Takes in a broadcast that has its id. Rows are compared by `===`: one whose `id` is a string where
    /// REST gave a number is another.
    fn take(&mut self, broadcast: &Value) {
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
            _ => panic!("the hook knows no such action: {broadcast}"),
        }
    }

    /// Fetches what it shows over REST, whose rows the serializer gives.
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

    /// Sends requests, takes in what comes until the server has taken them in, and returns the errors.
    async fn send(&mut self, requests: &[String]) -> Vec<Value> {
        for request in requests {
            self.client.send(request).await;
        }
        self.client.send("this is no request").await;
        let mut errors = Vec::new();
        loop {
            let frame = self.client.json().await;
            match (&frame["type"], frame.get("id")) {
                (Value::String(error), None) if error == "error" => return errors,
                (Value::String(error), Some(_)) if error == "error" => {
                    self.take(&frame);
                    errors.push(frame);
                }
                _ => self.take(&frame),
            }
        }
    }

    /// Mounts a hook, which subscribes and then fetches. The real one does not wait in between, for
    /// there is no acknowledgement: what is written then may be missed, and here it is waited out.
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

    /// Connects anew. `queued` was sent while there was no connection: it goes out first, then every
    /// hook subscribes under the id that it has. Returns the errors.
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

    /// Takes in a frame: only one with a `model` is looked at, and goes to the hooks with its id.
    fn take(&mut self, frame: &Value) {
        if frame["model"].is_null() {
            return;
        }
        let hook = self.hooks.iter_mut().find(|hook| frame["id"] == hook.id);
        let hook = hook.unwrap_or_else(|| panic!("nobody asked for {frame}"));
        hook.take(frame);
    }

    /// Takes in all that is under way, and asserts that each hook shows what REST does.
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
            self.take(&frame);
        }
        // On a plain connection, which tells nobody.
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

/// Writes at random, the same in each run: inserts, updates, moves among the lists 1 to 3, deletes.
struct Writer {
    seed: u64,
    /// The rows that there are.
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
            let place = self.random(self.rows.len());
            let mut task = task::ActiveModel {
                id: Set(self.rows[place]),
                ..Default::default()
            };
            match kind {
                2 => {
                    self.rows.swap_remove(place);
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
async fn a_page_of_0_7_shows_what_rest_shows() {
    let app = App::start().await;
    let mut writer = Writer {
        seed: 7,
        rows: Vec::new(),
        next_row: 1,
    };
    writer.write(&app, 20).await;
    app.insert_task(500, "the row", 1).await;

    // Three hooks on one list, as in the application that this is taken from, and two others.
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
    let heard: Vec<_> = page.hooks.iter().map(|hook| hook.broadcasts).collect();
    assert!(heard.iter().all(|count| *count > 0), "{heard:?}");

    // One hook goes: nothing more comes for it, and all for the others.
    let request = page.unmount(1);
    assert_eq!(page.send(&[request]).await, NONE);
    writer.write(&app, 60).await;
    page.assert_up_to_date(&app).await;

    // The connection is lost, another hook goes meanwhile, and the row that one follows.
    page.client.socket.close(None).await.unwrap();
    let queued = page.unmount(2);
    writer.write(&app, 30).await;
    row("", 2).delete(&app.db()).await.unwrap();
    let errors = page.reconnect(&app, vec![queued]).await;
    let errors: Vec<_> = errors.iter().map(|e| (&e["id"], &e["code"])).collect();
    let (unknown, gone) = (json!(2), json!(4));
    assert_eq!(errors, [(&unknown, &json!(404)), (&gone, &json!(404))]);
    // What is written before REST is asked is told, and changes nothing.
    writer.write(&app, 10).await;
    page.revalidate(&app).await;
    writer.write(&app, 60).await;
    page.assert_up_to_date(&app).await;
    let rows: usize = page.hooks.iter().map(|hook| hook.rows.len()).sum();
    assert!(rows > 0, "there is something to compare");
}
