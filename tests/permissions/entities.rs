//! Three models of the same columns: an open one, one with a permission, one with three serializers.

use serde_json::{Value, json};

/// Who connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    Anonymous,
    Named(i32),
    Admin,
}

/// May this user see this document?
fn may_see_document(user: User, owner: i32, level: i32) -> bool {
    user == User::Admin || user == User::Named(owner) || level == 0
}

/// May this user see this task as those who signed in do?
fn may_see_done(user: User, level: i32) -> bool {
    user != User::Anonymous && level <= 1
}

/// May anybody see this task?
fn may_see_text(level: i32) -> bool {
    level % 2 == 0
}

/// What a row holds besides its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Values {
    pub text: String,
    /// The group; of no group where there is none.
    pub list_id: Option<i32>,
    pub owner: i32,
    /// Who may see it, in each model's own way.
    pub level: i32,
}

/// What an update sets.
#[derive(Clone, Debug, Default)]
pub struct Patch {
    pub text: Option<String>,
    pub list_id: Option<Option<i32>>,
    pub owner: Option<i32>,
    pub level: Option<i32>,
}

/// A column of every row, which nobody but the admin may see, and that in one model only.
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
            Self::Notice => "sessions.Notice",
            Self::Document => "sessions.Document",
            Self::Task => "sessions.Task",
        }
    }

    /// Returns what a GET by this user shows of a row. Written down here once more, so that it is not
    /// the serializers that say what the serializers should do.
    pub fn shown(self, user: User, id: i32, row: &Values) -> Option<Value> {
        let Values {
            text, owner, level, ..
        } = row;
        match self {
            Self::Notice => Some(json!({"id": id, "text": text})),
            Self::Document => may_see_document(user, *owner, *level)
                .then(|| json!({"id": id, "text": text, "owner": owner})),
            Self::Task if user == User::Admin => Some(
                json!({"id": id, "text": text, "done": level > &1, "level": level, "secret": SECRET}),
            ),
            Self::Task if may_see_done(user, *level) => {
                Some(json!({"id": id, "text": text, "done": level > &1}))
            }
            Self::Task => may_see_text(*level).then(|| json!({"id": id, "text": text})),
        }
    }
}

/// A module of an entity, with the ways to write it.
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
    #[derive(Serialize)]
    pub struct NoticeSerializer {
        id: i32,
        text: String,
    }
});

table!(document "document" {
    use super::User;

    #[subscribable(entity = Entity, check_permission = may_see)]
    #[subscribable(group_key = "list_id")]
    #[derive(Serialize)]
    pub struct DocumentSerializer {
        id: i32,
        text: String,
        owner: i32,
    }

    fn may_see(user: &User, row: &Model) -> bool {
        super::may_see_document(*user, row.owner, row.level)
    }
});

table!(task "task" {
    use super::User;

    #[subscribable(entity = Entity, rank = 2, check_permission = is_admin)]
    #[subscribable(group_key = "list_id")]
    #[derive(Serialize)]
    pub struct WholeTask {
        id: i32,
        text: String,
        done: bool,
        level: i32,
        secret: String,
    }

    #[subscribable(entity = Entity, rank = 1, check_permission = may_see_done, hooks = false)]
    #[subscribable(group_key = "list_id")]
    #[derive(Serialize)]
    pub struct SignedInTask {
        id: i32,
        text: String,
        done: bool,
    }

    #[subscribable(entity = Entity, check_permission = may_see_text, hooks = false)]
    #[subscribable(group_key = "list_id")]
    #[derive(Serialize)]
    pub struct AnybodysTask {
        id: i32,
        text: String,
    }

    fn is_admin(user: &User, _: &Model) -> bool {
        *user == User::Admin
    }

    fn may_see_done(user: &User, row: &Model) -> bool {
        super::may_see_done(*user, row.level)
    }

    fn may_see_text(_: &User, row: &Model) -> bool {
        super::may_see_text(row.level)
    }
});
