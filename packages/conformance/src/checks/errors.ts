import type { Check } from "../Check.js"

export const errors: ReadonlyArray<Check> = []
