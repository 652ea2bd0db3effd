//! Migrations for the application's own `Migrator`.
//!
//! [`Outbox`] makes the tables; [`Capture`] has triggers write the events of one table, whoever changes it.
//!
//! ```no_run
//! use rest_live_outbox::migration::{Capture, Outbox};
//! use sea_orm_migration::{MigrationTrait, MigratorTrait};
//! # mod task {
//! #     use sea_orm::entity::prelude::*;
//! #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
//! #     #[sea_orm(table_name = "task")]
//! #     pub struct Model {
//! #         #[sea_orm(primary_key)]
//! #         pub id: i32,
//! #         pub token: String,
//! #     }
//! #     #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
//! #     pub enum Relation {}
//! #     impl ActiveModelBehavior for ActiveModel {}
//! # }
//!
//! struct Migrator;
//!
//! impl MigratorTrait for Migrator {
//!     fn migrations() -> Vec<Box<dyn MigrationTrait>> {
//!         vec![
//!             // The application's own, and then
//!             Box::new(Outbox),
//!             Box::new(Capture::of::<task::Entity>("todolist.Task").without([task::Column::Token])),
//!         ]
//!     }
//! }
//! ```

mod capture;
mod outbox;

pub use self::{capture::Capture, outbox::Outbox};

use sea_orm_migration::{DbErr, SchemaManager, sea_orm::DbBackend};

/// Refuses what is not PostgreSQL.
fn check(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    match manager.get_database_backend() {
        DbBackend::Postgres => Ok(()),
        _ => Err(DbErr::Migration(
            "the outbox of rest-live is for PostgreSQL".to_owned(),
        )),
    }
}

/// Writes a name as SQL does.
fn name(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Writes a text as SQL does.
fn text(text: &str) -> String {
    // Whatever `standard_conforming_strings` says.
    let escaped = text.replace('\\', "\\\\").replace('\'', "''");
    format!("E'{escaped}'")
}
