//! A schema for each tenant: one pool, and tables of the same name in the schemas `public` (the
//! default), `b` and `c`.

mod fixture;
mod leak;
