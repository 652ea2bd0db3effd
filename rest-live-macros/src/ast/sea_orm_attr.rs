//! `#[sea_orm(...)]`: the attribute that SeaORM's `DerivePartialModel` also reads.

use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token, punctuated::Punctuated};

/// Returns the arguments of all `#[sea_orm(...)]` attributes.
pub(super) fn parse_args(attrs: &[Attribute]) -> Vec<Meta> {
    attrs
        .iter()
        .filter(|a| a.path().is_ident("sea_orm"))
        // SeaORM reports arguments that it cannot parse.
        .filter_map(|a| {
            a.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .collect()
}

/// Returns the string of `name = "..."`.
pub(super) fn string_value(meta: &Meta, name: &str) -> Option<LitStr> {
    match meta {
        Meta::NameValue(pair) if pair.path.is_ident(name) => match &pair.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(value),
                ..
            }) => Some(value.clone()),
            _ => None,
        },
        _ => None,
    }
}
