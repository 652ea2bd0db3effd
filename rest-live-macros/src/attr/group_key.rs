//! `group_key = "list_id"` or `group_key = ["course_id", "queue_id"]`: the columns of a group.

use std::collections::HashSet;

use heck::{ToSnakeCase, ToUpperCamelCase};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, ExprLit, Lit, LitStr, Meta};

use super::{
    columns::Columns,
    value::{expect_value, mismatch_error},
};
use crate::{column::is_column, text::to_text};

const EXAMPLE: &str = r#""list_id""#;
const LIST_EXAMPLE: &str = r#"["course_id", "queue_id"]"#;

/// The columns of a group key, as the user wrote them: the names of their fields in the model. A
/// list of one column is the same as the column.
pub(crate) struct GroupKey {
    pub(crate) names: Vec<LitStr>,
    value: Expr,
}

impl ToTokens for GroupKey {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.value.to_tokens(tokens);
    }
}

impl GroupKey {
    /// Parses the argument's value. Combines the errors of all elements of a list; each has its
    /// element's place.
    pub(super) fn parse(meta: &Meta) -> syn::Result<Self> {
        let value = expect_value(meta, EXAMPLE)?.clone();
        let names = match &value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            }) => vec![name.clone()],
            Expr::Array(array) if array.elems.is_empty() => {
                return Err(syn::Error::new_spanned(
                    array,
                    format!(
                        "the list of columns is empty: write `group_key = {LIST_EXAMPLE}`, or `all` for all rows"
                    ),
                ));
            }
            Expr::Array(array) => parse_list(array.elems.iter())?,
            other => return Err(mismatch_error(meta, other, &quote_column(other))),
        };
        Ok(Self { names, value })
    }

    /// Checks that each name is that of a column, and that the variants of the columns fit.
    pub(super) fn check(&self, columns: Option<&Columns>) -> syn::Result<()> {
        let mut errors: Option<syn::Error> = None;
        for name in &self.names {
            if let Err(error) = self.check_name(name, columns.is_some()) {
                combine(&mut errors, error);
            }
        }
        if let Some(columns) = columns
            && columns.variants.len() != self.names.len()
        {
            let (keys, variants) = (self.names.len(), columns.variants.len());
            let error = syn::Error::new_spanned(
                columns,
                format!(
                    "`column` has one variant for each column of the group key: `group_key` has {keys}, but this has {variants}"
                ),
            );
            combine(&mut errors, error);
        }
        errors.map_or(Ok(()), Err)
    }

    fn check_name(&self, name: &LitStr, has_variant: bool) -> syn::Result<()> {
        let is_single = self.names.len() == 1;
        let message = match name.value().as_str() {
            "pk" if is_single => {
                "`pk` is the primary key: write `#[subscribable]` without a group key".to_owned()
            }
            "pk" => "`pk` is the primary key: write the names of its columns instead".to_owned(),
            // The compiler suggests the variant if a column is misspelled; the user may copy that.
            text if text.starts_with(char::is_uppercase) && is_column(text) && !has_variant => {
                let (field, variant) = (text.to_snake_case(), text.to_upper_camel_case());
                let argument = if is_single {
                    format!("group_key = {field:?}")
                } else {
                    format!("{field:?}")
                };
                format!(
                    "a group key is the name of a column's field in the model, as clients send it: write `{argument}`, or add `column = {variant}` if the field is called `{text}`"
                )
            }
            text if is_column(text) => return Ok(()),
            _ if is_single => format!(
                "a group key is the name of a column's field in the model: write `group_key = {EXAMPLE}`"
            ),
            _ => format!(
                "a group key has the names of columns' fields in the model: write `group_key = {LIST_EXAMPLE}`"
            ),
        };
        Err(syn::Error::new_spanned(name, message))
    }

    /// Returns the names in one order for every order in which they can be written.
    pub(crate) fn set(&self) -> Vec<String> {
        let mut set: Vec<_> = self.names.iter().map(LitStr::value).collect();
        set.sort_unstable();
        set
    }
}

/// Parses the elements of a list.
fn parse_list<'e>(elements: impl Iterator<Item = &'e Expr>) -> syn::Result<Vec<LitStr>> {
    let (mut names, mut seen) = (Vec::new(), HashSet::new());
    let mut errors: Option<syn::Error> = None;
    for element in elements {
        match element {
            Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            }) if seen.insert(name.value()) => names.push(name.clone()),
            Expr::Lit(ExprLit {
                lit: Lit::Str(name),
                ..
            }) => {
                let message = format!("`{}` is given twice: keep one", name.value());
                combine(&mut errors, syn::Error::new_spanned(name, message));
            }
            other => {
                let message = format!("a column is a string: write `{}`", quote_column(other));
                combine(&mut errors, syn::Error::new_spanned(other, message));
            }
        }
    }
    match errors {
        Some(errors) => Err(errors),
        None => Ok(names),
    }
}

fn combine(errors: &mut Option<syn::Error>, error: syn::Error) {
    match errors {
        Some(errors) => errors.combine(error),
        None => *errors = Some(error),
    }
}

/// Returns an example of a group key: the column that the user wrote without quotes, or `list_id`.
fn quote_column(value: &Expr) -> String {
    match value {
        Expr::Path(path) if is_column(&to_text(path)) => format!("{:?}", to_text(path)),
        _ => EXAMPLE.to_owned(),
    }
}
