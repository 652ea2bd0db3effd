//! `column = [A, B]`: the variants of a group key's columns.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprPath, Meta, Path};

use super::value::{expect_value, parse_path};

/// The variants of a group key's columns, as the user wrote them: one, or an array of them.
pub(crate) struct Columns {
    pub(crate) variants: Vec<Path>,
    value: Expr,
}

impl ToTokens for Columns {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.value.to_tokens(tokens);
    }
}

impl Columns {
    /// Parses the argument's value.
    pub(super) fn parse(meta: &Meta) -> syn::Result<Self> {
        let value = expect_value(meta, "task::Column::ListId")?.clone();
        let variants = match &value {
            Expr::Array(array) => array
                .elems
                .iter()
                .map(parse_variant)
                .collect::<syn::Result<_>>()?,
            _ => vec![parse_path(meta, "task::Column::ListId")?],
        };
        Ok(Self { variants, value })
    }
}

fn parse_variant(element: &Expr) -> syn::Result<Path> {
    match element {
        Expr::Path(ExprPath {
            path, qself: None, ..
        }) => Ok(path.clone()),
        _ => Err(syn::Error::new_spanned(
            element,
            "this is not a variant of the entity's `Column`: write `task::Column::ListId`",
        )),
    }
}
