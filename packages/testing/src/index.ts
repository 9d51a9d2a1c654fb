/**
 * What the tests of this repository share. This package is not published.
 *
 * @since 0.1.0
 */
export * as Arbitraries from "./Arbitraries.js"
export * as Fuzz from "./Fuzz.js"
export * as History from "./History.js"
export * as Linearizability from "./Linearizability.js"
export * as Mutant from "./Mutant.js"
export * as Mutants from "./Mutants.js"
export * as S3 from "./S3.js"
export * as TagLaws from "./TagLaws.js"
