//! `#[sea_orm(...)]`, which `DerivePartialModel` reads too.

use syn::{Attribute, Expr, ExprLit, Lit, LitStr, Meta, Token, punctuated::Punctuated};

pub(super) fn parse_args(attrs: &[Attribute]) -> Vec<Meta> {
    attrs
        .iter()
        .filter(|a| a.path().is_ident("sea_orm"))
        // What SeaORM cannot read either, it reports itself.
        .filter_map(|a| {
            a.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated)
                .ok()
        })
        .flatten()
        .collect()
}

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
