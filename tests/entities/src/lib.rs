//! Entities in a crate of their own, as larger applications have them. Here they get their hooks:
//! the serializers are in the crate that depends on this one.

#![allow(missing_docs, reason = "columns say what they are")]

/// An article with hooks of its own, and rest-live's woven around them.
pub mod article {
    use sea_orm::entity::prelude::*;

    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "article")]
    pub struct Model {
        #[sea_orm(primary_key)]
        pub id: i32,
        pub title: String,
        pub slug: String,
        pub section: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    #[rest_live::live]
    impl ActiveModelBehavior for ActiveModel {
        /// Makes the slug: what subscribers see must be what was written.
        async fn before_save<C>(mut self, _db: &C, _insert: bool) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            if let Some(title) = self.title.try_as_ref() {
                self.slug = sea_orm::ActiveValue::Set(title.to_lowercase().replace(' ', "-"));
            }
            Ok(self)
        }

        /// Fails after the row is written: it is there all the same, and subscribers hear of it.
        async fn after_save<C>(model: Model, _db: &C, _insert: bool) -> Result<Model, DbErr>
        where
            C: ConnectionTrait,
        {
            if model.title == "fails after it is written" {
                return Err(DbErr::Custom("after_save".to_owned()));
            }
            Ok(model)
        }
    }
}
