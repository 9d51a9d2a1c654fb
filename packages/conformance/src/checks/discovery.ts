import type { Check } from "../Check.js"

export const discovery: ReadonlyArray<Check> = []
