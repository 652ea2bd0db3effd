//! The settings of a builder about tenants.

use std::any::{self, TypeId};

use sea_orm::EntityTrait;

use super::LiveBuilder;
use crate::{data::scope::Scope, model::permission::Identity};

impl<U: Send + Sync + 'static> LiveBuilder<U> {
    /// Sets the function that returns the scope of a user's sessions. Default: none, so that all
    /// sessions receive only what is written outside of scopes.
    ///
    /// A session receives only the changes that were written in its scope. If the tenant depends on
    /// the request and not on the user, set [`Handshake::scope`](crate::Handshake::scope) instead,
    /// which takes precedence. The scope of a session never changes: if a client
    /// [authenticates](Self::authenticate) as a user of another scope, it receives error 403.
    pub fn scope(mut self, scope: impl Fn(&U) -> Option<Scope> + Send + Sync + 'static) -> Self {
        self.users.scope = Some(Box::new(move |user: &Identity| {
            user.downcast().and_then(&scope)
        }));
        self
    }

    /// Declares that all scopes share the table of an entity, such as a list of countries. Its
    /// changes reach the sessions of all scopes, whatever scope they were written in.
    ///
    /// Every other table belongs to the scope that writes it, also if the entity names its schema.
    pub fn share_between_scopes<E: EntityTrait>(mut self) -> Self {
        self.shared.push((TypeId::of::<E>(), any::type_name::<E>()));
        self
    }

    /// Sets whether statements may change the `search_path` or role (PostgreSQL) or the database
    /// (MySQL) of live connections that are bound to no scope. Default: `false`.
    ///
    /// After such a statement, an unqualified table can be that of another tenant. So rest-live
    /// withholds the changes of these tables and reports an error: until the transaction ends, or
    /// for good if the statement changed a pooled connection. Set `true` if all connections of the
    /// application find the same tables in any case, for example because it always sets the same
    /// path.
    pub fn allow_search_path_changes(mut self, allow: bool) -> Self {
        self.allows_search_path_changes = allow;
        self
    }
}
