//! The values of arguments. Each error shows the argument with an example value.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, ExprPath, Lit, LitBool, LitStr, Meta, MetaNameValue, Path};

use crate::text::to_text;

/// The value of `rank`, with the expression that the user wrote.
#[derive(Clone)]
pub(crate) struct Rank {
    pub(crate) value: i32,
    expr: Expr,
}

impl ToTokens for Rank {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.expr.to_tokens(tokens);
    }
}

/// Returns the value of `name = value`, or an error for a bare name.
pub(super) fn expect_value<'m>(meta: &'m Meta, example: &str) -> syn::Result<&'m Expr> {
    match meta {
        Meta::NameValue(MetaNameValue { value, .. }) => Ok(value),
        _ => {
            let name = to_text(meta.path());
            Err(syn::Error::new_spanned(
                meta,
                format!("`{name}` takes a value: write `{name} = {example}`"),
            ))
        }
    }
}

/// Returns the error for a value of the wrong type.
pub(super) fn mismatch_error(meta: &Meta, at: &Expr, example: &str) -> syn::Error {
    syn::Error::new_spanned(at, format!("write `{} = {example}`", to_text(meta.path())))
}

/// Parses a string literal.
pub(super) fn parse_string(meta: &Meta, example: &str) -> syn::Result<LitStr> {
    match expect_value(meta, example)? {
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => Ok(string.clone()),
        other => Err(mismatch_error(meta, other, example)),
    }
}

/// Parses `true` or `false`.
pub(super) fn parse_boolean(meta: &Meta) -> syn::Result<LitBool> {
    match expect_value(meta, "false")? {
        Expr::Lit(ExprLit {
            lit: Lit::Bool(boolean),
            ..
        }) => Ok(boolean.clone()),
        other => Err(mismatch_error(meta, other, "false")),
    }
}

/// Parses a path: either bare, or in a string as in the attributes of SeaORM and serde.
pub(super) fn parse_path(meta: &Meta, example: &str) -> syn::Result<Path> {
    let value = expect_value(meta, example)?;
    match value {
        Expr::Path(ExprPath {
            path, qself: None, ..
        }) => Ok(path.clone()),
        Expr::Lit(ExprLit {
            lit: Lit::Str(string),
            ..
        }) => string
            .parse()
            .map_err(|_| mismatch_error(meta, value, example)),
        other => Err(mismatch_error(meta, other, example)),
    }
}

/// Parses an `i32`.
pub(super) fn parse_rank(meta: &Meta) -> syn::Result<Rank> {
    let expr = expect_value(meta, "1")?;
    // The text, because `-1` is an expression of two tokens and not a literal.
    let value = to_text(expr)
        .replace(' ', "")
        .parse()
        .map_err(|_| mismatch_error(meta, expr, "1"))?;
    Ok(Rank {
        value,
        expr: expr.clone(),
    })
}
