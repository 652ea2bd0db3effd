//! What the application has registered: models, serializers, permissions, and how a row is read.

pub(crate) mod declaration;
pub(crate) mod permission;
pub(crate) mod registry;
pub(crate) mod row_json;
pub(crate) mod table;
