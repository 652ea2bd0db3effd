//! The models that the tests write to, and their serializers.

pub mod task {
    use rest_live::subscribable;
    use sea_orm::{DerivePartialModel, entity::prelude::*};
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "task")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub done: bool,
        pub list_id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(model = "todolist.Task")]
    #[subscribable(group_key = "list_id")]
    #[derive(Clone, Debug, Serialize, DerivePartialModel)]
    #[sea_orm(entity = "Entity")]
    pub struct TaskSerializer {
        pub id: i32,
        pub text: String,
        pub done: bool,
    }
}

/// A model with a string as its primary key, and a nullable group column.
pub mod note {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::{Serialize, Serializer, ser::Error};
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "sticky_note")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub name: String,
        pub body: String,
        pub topic: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(entity = Entity)]
    #[subscribable(group_key = "topic")]
    #[derive(Serialize)]
    pub struct NoteSerializer {
        name: String,
        #[serde(serialize_with = "faulty_body")]
        body: String,
        topic: Option<String>,
    }

    /// How often the body `count me` was serialized.
    pub static COUNTED: AtomicUsize = AtomicUsize::new(0);

    fn faulty_body<S: Serializer>(body: &str, serializer: S) -> Result<S::Ok, S::Error> {
        match body {
            "count me" => {
                COUNTED.fetch_add(1, Ordering::SeqCst);
                serializer.serialize_str(body)
            }
            "panic" => panic!("a serializer that panics"),
            "fail" => Err(S::Error::custom("a serializer that fails")),
            body => serializer.serialize_str(body),
        }
    }
}

/// A model with a UUID as its primary key, and a group column of 64-bit integers.
pub mod device {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "device")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: Uuid,
        pub site: i64,
        pub active: bool,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable]
    #[subscribable(group_key = "site")]
    #[subscribable(group_key = "active", entity = Entity)]
    #[derive(Serialize)]
    pub struct DeviceSerializer {
        #[serde(serialize_with = "as_text")]
        id: Uuid,
        site: i64,
    }

    fn as_text<S: serde::Serializer>(id: &Uuid, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }
}

/// A model whose primary key has two columns.
pub mod seat {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "seat")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub hall: String,
        #[sea_orm(primary_key, auto_increment = false)]
        pub number: i32,
        pub guest: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(entity = Entity)]
    #[subscribable(group_key = "hall")]
    #[derive(Serialize)]
    pub struct SeatSerializer {
        hall: String,
        number: i32,
        guest: Option<String>,
    }
}

/// Two serializers of an entity in another crate, which also declares its hooks.
pub mod article {
    use rest_live::subscribable;
    pub use rest_live_test_entities::article::*;
    use serde::Serialize;

    #[subscribable(entity = Entity, hooks = false)]
    #[subscribable(group_key = "section")]
    #[derive(Serialize)]
    pub struct ArticleSerializer {
        id: i32,
        title: String,
        slug: String,
    }

    /// Serializes rows for sections, because its rank is higher, and has a conversion of its own.
    #[subscribable(group_key = "section", rank = 1, entity = Entity, hooks = false, from_model = false)]
    #[derive(Serialize)]
    pub struct TeaserSerializer {
        teaser: String,
    }

    impl From<&Model> for TeaserSerializer {
        fn from(article: &Model) -> Self {
            Self {
                teaser: format!("{}: {}", article.section, article.title),
            }
        }
    }
}

/// A model that is grouped by a database enumeration.
pub mod ticket {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
    #[sea_orm(db_type = "Enum", enum_name = "ticket_state")]
    pub enum State {
        #[sea_orm(string_value = "open")]
        Open,
        #[sea_orm(string_value = "shut")]
        Shut,
    }

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "ticket")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub state: State,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(group_key = "state", entity = Entity)]
    #[derive(Serialize)]
    pub struct TicketSerializer {
        id: i32,
    }
}

/// A model whose primary key has a different column name and is serialized as a string.
pub mod badge {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "badge")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false, column_name = "badge_number")]
        pub id_2: i64,
        pub colour: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(group_key = "colour", entity = Entity)]
    #[derive(Serialize)]
    pub struct BadgeSerializer {
        #[serde(serialize_with = "as_text")]
        id_2: i64,
        colour: String,
    }

    // JavaScript's numbers are exact only up to 2^53.
    fn as_text<S: serde::Serializer>(id: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(id)
    }
}

/// A model with a group of several columns, one of which is nullable, and with the group of all
/// rows.
pub mod question {
    use rest_live::subscribable;
    use sea_orm::{DerivePartialModel, entity::prelude::*};
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "question")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub course_id: i32,
        pub queue_id: Option<i32>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(model = "school.Question", all)]
    #[subscribable(group_key = ["course_id", "queue_id"])]
    #[subscribable(group_key = "course_id")]
    #[subscribable]
    #[derive(Serialize, DerivePartialModel)]
    #[sea_orm(entity = "Entity")]
    pub struct QuestionSerializer {
        pub id: i32,
        pub text: String,
    }
}

/// A model that is grouped by two pairs of texts.
pub mod locker {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "locker")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub site: String,
        pub floor: String,
        pub owner: Option<String>,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(entity = Entity, group_key = ["site", "floor"])]
    #[subscribable(group_key = ["floor", "owner"])]
    #[derive(Serialize)]
    pub struct LockerSerializer {
        id: i32,
    }
}

/// A model with a filter: drafts and deleted posts are not listed.
pub mod post {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "post")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
        pub blog_id: i32,
        pub published: bool,
        pub deleted: bool,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[subscribable(entity = Entity, model = "blog.Post", filter = is_listed)]
    #[subscribable(group_key = "blog_id")]
    #[derive(Serialize)]
    pub struct PostSerializer {
        id: i32,
        text: String,
    }

    /// How often the filter was asked about the text `count me`.
    pub static COUNTED: AtomicUsize = AtomicUsize::new(0);

    fn is_listed(post: &Model) -> bool {
        match &*post.text {
            "count me" => _ = COUNTED.fetch_add(1, Ordering::SeqCst),
            "panic" => panic!("a filter that panics"),
            _ => {}
        }
        post.published && !post.deleted
    }
}
