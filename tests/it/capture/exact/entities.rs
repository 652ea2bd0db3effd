//! Models in addition to those that all tests share: one with a permission, and some with
//! relations.

/// A row that is visible only while it is open.
pub mod parcel {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "parcel")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        pub text: String,
        pub open: bool,
        pub shelf: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    fn is_open((): &(), parcel: &Model) -> bool {
        parcel.open
    }

    #[subscribable(entity = Entity, check_permission = is_open)]
    #[subscribable(group_key = "shelf")]
    #[derive(Serialize)]
    pub struct ParcelSerializer {
        id: i32,
        text: String,
    }
}

pub mod author {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "author")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        #[sea_orm(has_many)]
        pub books: HasMany<super::book::Entity>,
    }

    #[subscribable(entity = Entity)]
    #[derive(Serialize)]
    pub struct AuthorSerializer {
        id: i32,
        text: String,
    }
}

pub mod book {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "book")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        pub author_id: i32,
        #[sea_orm(belongs_to, from = "author_id", to = "id")]
        pub author: HasOne<super::author::Entity>,
        #[sea_orm(has_many, via = "book_tag")]
        pub tags: HasMany<super::tag::Entity>,
    }

    #[subscribable(entity = Entity)]
    #[subscribable(group_key = "author_id")]
    #[derive(Serialize)]
    pub struct BookSerializer {
        id: i32,
        text: String,
    }
}

pub mod tag {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tag")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub text: String,
        #[sea_orm(has_many, via = "book_tag")]
        pub books: HasMany<super::book::Entity>,
    }

    #[subscribable(entity = Entity)]
    #[derive(Serialize)]
    pub struct TagSerializer {
        id: i32,
        text: String,
    }
}

/// The junction table of books and tags.
pub mod book_tag {
    use rest_live::subscribable;
    use sea_orm::entity::prelude::*;
    use serde::Serialize;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "book_tag")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub book_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub tag_id: i32,
        #[sea_orm(belongs_to, from = "book_id", to = "id")]
        pub book: HasOne<super::book::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub tag: HasOne<super::tag::Entity>,
    }

    #[subscribable(group_key = "book_id", entity = Entity)]
    #[derive(Serialize)]
    pub struct BookTagSerializer {
        book_id: i32,
        tag_id: i32,
    }
}
