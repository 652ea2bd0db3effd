//! `hooks = false` with `#[live]` on the user's own hooks.

use rest_live::subscribable;
use sea_orm::{ActiveModelBehavior, ActiveValue::Set, Database, DbErr, TryIntoModel};
use serde::Serialize;

mod article {
    use sea_orm::{ActiveValue::Set, entity::prelude::*};

    #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
    #[sea_orm(table_name = "article")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {
        fn new() -> Self {
            Self {
                title: Set("untitled".to_owned()),
                ..<Self as ActiveModelTrait>::default()
            }
        }

        async fn before_save<C>(mut self, _: &C, _: bool) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            let title = self
                .title
                .try_as_ref()
                .ok_or(DbErr::Custom("no title".to_owned()))?;
            if title.starts_with(char::is_uppercase) {
                return Ok(self);
            }
            self.title = Set(capitalized(title)?);
            Ok(self)
        }

        async fn after_save<C>(model: Model, _db: &C, insert: bool) -> Result<Model, DbErr>
        where
            C: ConnectionTrait,
        {
            if insert {
                return Ok(model);
            }
            Err(DbErr::Custom(format!("{} is final", model.title)))
        }

        #[cfg(any())]
        async fn before_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            compile_error!("not compiled")
        }

        #[cfg(any())]
        async fn after_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            compile_error!("not compiled")
        }

        #[cfg(all())]
        async fn after_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            Err(DbErr::Custom("gone".to_owned()))
        }
    }

    fn capitalized(title: &str) -> Result<String, DbErr> {
        let mut chars = title.chars();
        let first = chars.next().ok_or(DbErr::Custom("no title".to_owned()))?;
        Ok(first.to_uppercase().chain(chars).collect())
    }
}

mod comment {
    use sea_orm::entity::prelude::{async_trait::async_trait, *};

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "comment")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    #[async_trait]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_delete<C: ConnectionTrait>(self, _: &C) -> Result<Self, DbErr> {
            Err(DbErr::Custom("comments stay".to_owned()))
        }
    }
}

mod tag {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, DeriveEntityModel)]
    #[sea_orm(table_name = "tag")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {}

    #[rest_live::live]
    #[cfg(any())]
    impl ActiveModelBehavior for Absent {}
}

#[subscribable(entity = article::Entity, hooks = false)]
#[derive(Serialize)]
struct ArticleSerializer {
    id: i32,
}

#[subscribable(entity = comment::Entity, hooks = false)]
#[derive(Serialize)]
struct CommentSerializer {
    id: i32,
}

#[subscribable(entity = tag::Entity, hooks = false)]
#[derive(Serialize)]
struct TagSerializer {
    id: i32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), DbErr> {
    let db = Database::connect("sqlite::memory:").await?;
    let article = article::ActiveModel {
        id: Set(1),
        ..ActiveModelBehavior::new()
    };
    let article = article.before_save(&db, true).await?;
    assert_eq!(article.title, Set("Untitled".to_owned()));

    let model = article.clone().try_into_model()?;
    let saved = article::ActiveModel::after_save(model.clone(), &db, true).await?;
    assert_eq!(saved, model);
    let error = article::ActiveModel::after_save(model, &db, false).await;
    assert_eq!(error, Err(DbErr::Custom("Untitled is final".to_owned())));

    let article = article.before_delete(&db).await?;
    let error = article.after_delete(&db).await;
    assert_eq!(error, Err(DbErr::Custom("gone".to_owned())));

    let comment = comment::ActiveModel { id: Set(1) };
    let error = comment.before_delete(&db).await;
    assert_eq!(error, Err(DbErr::Custom("comments stay".to_owned())));
    Ok(())
}
