//! Entities in a crate of their own, as in larger applications. The hooks are declared here; the
//! serializers are in the crate that depends on this one.

#![allow(missing_docs, reason = "the columns' names describe them")]

/// An article with hooks of its own, which rest-live's hooks wrap.
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
        /// Sets the slug. Subscribers must receive the row as it was written, with the slug.
        async fn before_save<C>(mut self, _db: &C, _insert: bool) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            if let Some(title) = self.title.try_as_ref() {
                self.slug = sea_orm::ActiveValue::Set(title.to_lowercase().replace(' ', "-"));
            }
            Ok(self)
        }

        /// Fails after the row is written. The row exists anyway, so subscribers must receive it.
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
