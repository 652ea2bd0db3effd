//! Three models with the same columns and group keys: one that all users see, one with a filter and
//! permissions, and one with three serializers.

use std::time::SystemTime;

use serde_json::{Value, json};

/// The user of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Anonymous,
    Named(i32),
    Admin,
}

/// The tokens of the users.
const TOKENS: [(&str, User); 4] = [
    ("nobody", User::Anonymous),
    ("one", User::Named(1)),
    ("two", User::Named(2)),
    ("admin", User::Admin),
];

impl User {
    pub fn token(self) -> &'static str {
        TOKENS.iter().find(|(_, user)| *user == self).unwrap().0
    }

    /// Returns the user of a token. It does not expire.
    pub async fn of_token(token: String) -> Result<(Self, Option<SystemTime>), &'static str> {
        let known = TOKENS.iter().find(|(known, _)| *known == token);
        known.map(|(_, user)| (*user, None)).ok_or("unknown token")
    }
}

/// Returns whether a document exists for subscribers.
fn is_listed(level: i32) -> bool {
    level < 3
}

/// Returns whether this user may see this document.
fn may_see_document(user: User, owner: i32, level: i32) -> bool {
    user == User::Admin || user == User::Named(owner) || level == 0
}

/// Returns whether this user may subscribe to the documents of a list that have a level.
pub fn may_open_level(user: User, level: i32) -> bool {
    user == User::Admin || level < 2
}

/// Returns whether this user may subscribe to all documents.
pub fn may_open_all(user: User) -> bool {
    user != User::Anonymous
}

/// Returns whether this user may see the serializer of a task for signed-in users.
fn may_see_done(user: User, level: i32) -> bool {
    user != User::Anonymous && level <= 1
}

/// Returns whether the serializer of a task for signed-in users shows tasks of this owner.
fn shows_done(owner: i32) -> bool {
    owner == 1
}

/// Returns whether every user may see this task.
fn may_see_text(level: i32) -> bool {
    level % 2 == 0
}

/// The values of a row, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    pub text: String,
    /// The group of the row. `None`: the row is in no group.
    pub list_id: Option<i32>,
    pub owner: i32,
    /// Decides which users may see the row; each model has its own rule.
    pub level: i32,
}

/// The values that an update sets.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    pub text: Option<String>,
    pub list_id: Option<Option<i32>>,
    pub owner: Option<i32>,
    pub level: Option<i32>,
}

/// The value of a column of every row. Only the admin may see it, and only in one model.
pub const SECRET: &str = "SECRET";

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    Notice,
    Document,
    Task,
}

impl Table {
    pub const ALL: [Self; 3] = [Self::Notice, Self::Document, Self::Task];

    pub fn label(self) -> &'static str {
        match self {
            Self::Notice => "permissions.Notice",
            Self::Document => "permissions.Document",
            Self::Task => "permissions.Task",
        }
    }

    /// Returns the payload of a row that a GET by this user returns.
    ///
    /// It repeats what the serializers do, so that the tests do not compare the serializers with
    /// themselves.
    pub fn payload_for(self, user: User, id: i32, row: &Values) -> Option<Value> {
        let Values {
            text, owner, level, ..
        } = row;
        match self {
            Self::Notice => Some(json!({"id": id, "text": text})),
            Self::Document => (is_listed(*level) && may_see_document(user, *owner, *level))
                .then(|| json!({"id": id, "text": text, "owner": owner})),
            Self::Task if user == User::Admin => Some(
                json!({"id": id, "text": text, "done": level > &1, "level": level, "secret": SECRET}),
            ),
            Self::Task if may_see_done(user, *level) && shows_done(*owner) => {
                Some(json!({"id": id, "text": text, "done": level > &1}))
            }
            Self::Task => may_see_text(*level).then(|| json!({"id": id, "text": text})),
        }
    }
}

/// Declares a module with an entity, the functions that write it, and its serializers.
macro_rules! table {
    ($module:ident $name:tt { $($serializers:item)* }) => {
        pub mod $module {
            use rest_live::subscribable;
            use sea_orm::{ActiveValue::{NotSet, Set}, entity::prelude::*};
            use serde::Serialize;

            use super::{Patch, SECRET, Values};

            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $name)]
            pub struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub id: i32,
                pub text: String,
                pub list_id: Option<i32>,
                pub owner: i32,
                pub level: i32,
                pub done: bool,
                pub secret: String,
            }

            #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
            pub enum Relation {}

            pub async fn insert(db: &impl ConnectionTrait, id: i32, row: &Values) {
                let row = ActiveModel {
                    id: Set(id),
                    text: Set(row.text.clone()),
                    list_id: Set(row.list_id),
                    owner: Set(row.owner),
                    level: Set(row.level),
                    done: Set(row.level > 1),
                    secret: Set(SECRET.to_owned()),
                };
                row.insert(db).await.unwrap();
            }

            pub async fn update(db: &impl ConnectionTrait, id: i32, patch: &Patch) {
                let row = ActiveModel {
                    id: Set(id),
                    text: patch.text.clone().map_or(NotSet, Set),
                    list_id: patch.list_id.map_or(NotSet, Set),
                    owner: patch.owner.map_or(NotSet, Set),
                    level: patch.level.map_or(NotSet, Set),
                    done: patch.level.map_or(NotSet, |level| Set(level > 1)),
                    secret: NotSet,
                };
                row.update(db).await.unwrap();
            }

            pub async fn delete(db: &impl ConnectionTrait, id: i32) {
                let row = ActiveModel { id: Set(id), ..Default::default() };
                row.delete(db).await.unwrap();
            }

            $($serializers)*
        }
    };
}

table!(notice "notice" {
    #[subscribable(entity = Entity)]
    #[subscribable(group_key = "list_id")]
    #[subscribable(group_key = ["list_id", "level"])]
    #[subscribable(all)]
    #[derive(Serialize)]
    pub struct NoticeSerializer {
        id: i32,
        text: String,
    }
});

table!(document "document" {
    use super::User;

    #[subscribable(entity = Entity, filter = is_listed, check_permission = may_see, public)]
    #[subscribable(group_key = "list_id", public)]
    #[subscribable(group_key = ["list_id", "level"], authorize = may_open_level)]
    #[subscribable(all, authorize = may_open_all)]
    #[derive(Serialize)]
    pub struct DocumentSerializer {
        id: i32,
        text: String,
        owner: i32,
    }

    fn is_listed(row: &Model) -> bool {
        super::is_listed(row.level)
    }

    async fn may_open_level(
        user: &User,
        (_, level): (i32, i32),
        _: &sea_orm::DatabaseConnection,
    ) -> bool {
        super::may_open_level(*user, level)
    }

    async fn may_open_all(user: &User, (): (), _: &sea_orm::DatabaseConnection) -> bool {
        super::may_open_all(*user)
    }

    fn may_see(user: &User, row: &Model) -> bool {
        super::may_see_document(*user, row.owner, row.level)
    }
});

table!(task "task" {
    use super::User;

    #[subscribable(entity = Entity, rank = 2, check_permission = is_admin)]
    #[subscribable(group_key = "list_id")]
    #[subscribable(group_key = ["list_id", "level"])]
    #[subscribable(all)]
    #[derive(Serialize)]
    pub struct WholeTask {
        id: i32,
        text: String,
        done: bool,
        level: i32,
        secret: String,
    }

    #[subscribable(
        entity = Entity,
        rank = 1,
        filter = shows_done,
        check_permission = may_see_done,
        hooks = false,
    )]
    #[subscribable(group_key = "list_id")]
    #[subscribable(group_key = ["list_id", "level"])]
    #[subscribable(all)]
    #[derive(Serialize)]
    pub struct SignedInTask {
        id: i32,
        text: String,
        done: bool,
    }

    #[subscribable(entity = Entity, check_permission = may_see_text, hooks = false)]
    #[subscribable(group_key = "list_id")]
    #[subscribable(group_key = ["list_id", "level"])]
    #[subscribable(all)]
    #[derive(Serialize)]
    pub struct PublicTask {
        id: i32,
        text: String,
    }

    fn is_admin(user: &User, _: &Model) -> bool {
        *user == User::Admin
    }

    fn may_see_done(user: &User, row: &Model) -> bool {
        super::may_see_done(*user, row.level)
    }

    fn shows_done(row: &Model) -> bool {
        super::shows_done(row.owner)
    }

    fn may_see_text(_: &User, row: &Model) -> bool {
        super::may_see_text(row.level)
    }
});
