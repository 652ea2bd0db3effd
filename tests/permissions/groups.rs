//! Permissions of groups of several columns and of all rows.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use rest_live::{Live, testing::Client};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, IntoActiveModel, Schema,
};
use serde_json::{Value, json};

/// A user. Tests change the rights while connections are open.
#[derive(Clone, Debug, Default)]
struct Clerk {
    /// What `authorize` allows: `all`, `berlin` or `berlin 2`.
    rights: Arc<Mutex<BTreeSet<String>>>,
    is_lead: bool,
}

impl Clerk {
    fn with<const N: usize>(rights: [&str; N]) -> Self {
        let clerk = Self::default();
        for right in rights {
            clerk.change(|rights| _ = rights.insert(right.to_owned()));
        }
        clerk
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<String>)) {
        change(&mut self.rights.lock().unwrap());
    }

    fn has(&self, right: &str) -> bool {
        self.rights.lock().unwrap().contains(right)
    }
}

mod desk {
    use rest_live::subscribable;
    use sea_orm::{DatabaseConnection, entity::prelude::*};
    use serde::Serialize;

    use super::Clerk;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "desk")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub city: String,
        pub floor: i32,
        pub is_open: bool,
        pub text: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    pub(super) async fn sees_all(clerk: &Clerk, (): (), _: &DatabaseConnection) -> bool {
        clerk.has("all")
    }

    pub(super) async fn sees_city(clerk: &Clerk, city: String, _: &DatabaseConnection) -> bool {
        clerk.has(&city)
    }

    pub(super) async fn sees_floor(
        clerk: &Clerk,
        (floor, city): (i32, String),
        _: &DatabaseConnection,
    ) -> bool {
        clerk.has(&format!("{city} {floor}"))
    }

    pub(super) fn is_open(_: &Clerk, desk: &Model) -> bool {
        desk.is_open
    }

    pub(super) fn is_lead(clerk: &Clerk, _: &Model) -> bool {
        clerk.is_lead
    }

    #[subscribable(public, entity = Entity, model = "office.Desk", check_permission = is_open)]
    #[subscribable(all, authorize = sees_all)]
    #[subscribable(group_key = "city", authorize = sees_city)]
    #[subscribable(group_key = ["floor", "city"], authorize = sees_floor)]
    #[derive(Serialize)]
    pub struct DeskSerializer {
        id: i32,
    }

    /// What a lead sees.
    #[subscribable(all, authorize = sees_all, rank = 1, check_permission = is_lead)]
    #[subscribable(group_key = ["floor", "city"], authorize = sees_floor)]
    #[subscribable(group_key = "city", authorize = sees_city)]
    #[subscribable(public, entity = Entity, model = "office.Desk", hooks = false)]
    #[derive(Serialize)]
    pub struct LeadDeskSerializer {
        id: i32,
        text: String,
    }
}

async fn start() -> Live<Clerk> {
    let db = Database::connect("sqlite::memory:").await.unwrap();
    let schema = Schema::new(db.get_database_backend());
    db.execute(&schema.create_table_from_entity(desk::Entity))
        .await
        .unwrap();
    Live::<Clerk>::builder(db)
        .discover(false)
        .register::<desk::DeskSerializer>()
        .register::<desk::LeadDeskSerializer>()
        .build()
        .unwrap()
}

fn desk(id: i32, city: &str, floor: i32, is_open: bool) -> desk::ActiveModel {
    desk::ActiveModel {
        id: Set(id),
        city: Set(city.to_owned()),
        floor: Set(floor),
        is_open: Set(is_open),
        text: Set(format!("desk {id}")),
    }
}

fn request(id: i32, group: &Value) -> Value {
    json!({"id": id, "model": "office.Desk", "group": group})
}

#[tokio::test]
async fn authorize_receives_unit_value_or_tuple() {
    let live = start().await;
    let groups = [
        (json!({}), "all"),
        (json!({"city": "berlin"}), "berlin"),
        (json!({"city": "berlin", "floor": 2}), "berlin 2"),
    ];
    for (_, right) in &groups {
        let mut client = Client::connect(&live, Clerk::with([right]));
        for (id, (group, needed)) in (0..).zip(&groups) {
            client.send_json(request(id, group)).await;
            let answer = client.receive_json().await;
            let expected = if needed == right {
                "subscribed"
            } else {
                "error"
            };
            assert_eq!(answer["type"], expected, "{right}: {answer}");
        }
        // Another value of the same columns.
        let other = json!({"floor": 3, "city": "berlin"});
        client.send_json(request(9, &other)).await;
        assert_eq!(client.receive_json().await["code"], 403);
    }
}

#[tokio::test]
async fn revocation_names_the_group_in_each_dialect() {
    let live = start().await;
    let clerk = Clerk::with(["all", "berlin 2"]);
    let connect = || Client::connect(&live, clerk.clone());
    let (mut v1, mut plain, mut old) = (connect(), connect(), connect());
    let pair = json!({"floor": 2, "city": "berlin"});
    for (id, group) in [(1, &json!({})), (2, &pair)] {
        v1.send_json(request(id, group)).await;
        assert_eq!(v1.receive_json().await["type"], "subscribed");
        let mut request = json!({"model": "office.Desk"});
        let keys = group.as_object().unwrap().clone();
        request.as_object_mut().unwrap().extend(keys);
        plain.send_json(request).await;
        old.send_json(json!({
            "type": "subscribe", "id": id, "action": "list", "model": "office.Desk", "view_kwargs": group,
        }))
        .await;
    }
    clerk.change(|rights| _ = rights.remove("berlin 2"));
    assert_eq!(live.reauthorize(|_| true).await, 3);
    assert_eq!(
        v1.receive_json().await,
        json!({"type": "unsubscribed", "id": 2, "code": 403, "reason": "revoked"})
    );
    let error = plain.receive_text().await;
    let named = r#""retry":false,"model":"office.Desk","group":{"floor":2,"city":"berlin"}}"#;
    assert!(error.ends_with(named), "{error}");
    let error = old.receive_json().await;
    assert_eq!((&error["id"], &error["code"]), (&json!(2), &json!(403)));

    desk(1, "berlin", 2, true).insert(&live.db()).await.unwrap();
    for client in [&mut v1, &mut plain, &mut old] {
        assert_eq!(
            client.received().await.len(),
            1,
            "all rows are still followed"
        );
    }
    clerk.change(BTreeSet::clear);
    assert_eq!(live.reauthorize(|_| true).await, 3);
    assert_eq!(v1.receive_json().await["id"], 1);
    let error = plain.receive_text().await;
    let named = r#""retry":false,"model":"office.Desk","group":{}}"#;
    assert!(error.ends_with(named), "{error}");
    assert_eq!(old.receive_json().await["id"], 1);
}

#[tokio::test]
async fn each_user_sees_their_serializer_in_each_group() {
    let live = start().await;
    let lead = Clerk {
        is_lead: true,
        ..Clerk::with(["all", "berlin 2"])
    };
    let clerk = Clerk::with(["all", "berlin 2"]);
    let groups = [json!({}), json!({"floor": 2, "city": "berlin"})];
    let mut clients = Vec::new();
    for user in [&lead, &clerk] {
        for group in &groups {
            let mut client = Client::connect(&live, user.clone());
            client.send_json(request(1, group)).await;
            let cursor = client.receive_json().await["cursor"].clone();
            clients.push((client, cursor, user.clone(), group.clone()));
        }
    }
    let db = live.db();
    let row = desk(1, "berlin", 2, true).insert(&db).await.unwrap();
    // Closed: a clerk may no longer see it.
    let mut row = row.into_active_model();
    row.is_open = Set(false);
    let row = row.update(&db).await.unwrap();
    let mut row = row.into_active_model();
    row.floor = Set(3);
    row.update(&db).await.unwrap();
    desk(1, "berlin", 3, true).update(&db).await.unwrap();

    let expected = [
        ["CREATED", "UPDATED", "UPDATED", "UPDATED"].as_slice(),
        &["CREATED", "UPDATED", "DELETED"],
        &["CREATED", "DELETED", "CREATED"],
        &["CREATED", "DELETED"],
    ];
    let replayed = ["CREATED", "DELETED", "CREATED", "DELETED"];
    for (((mut client, since, user, group), expected), action) in
        clients.into_iter().zip(expected).zip(replayed)
    {
        let mut frames = client.received().await;
        frames.retain(|frame| frame["type"] != "unit");
        let actions: Vec<_> = frames
            .iter()
            .map(|f| f["action"].as_str().unwrap())
            .collect();
        assert_eq!(actions, expected, "{group}: {frames:?}");
        for frame in &frames {
            assert_eq!(frame["payload"].get("text").is_some(), user.is_lead);
        }
        // A resume from before all of it.
        let mut client = Client::connect(&live, user);
        let mut request = request(1, &group);
        request["since"] = since;
        client.send_json(request).await;
        let frames = client.received().await;
        assert_eq!(frames.len(), 2, "{frames:?}");
        assert_eq!(frames[1]["action"], action, "{group}: {frames:?}");
    }
}
