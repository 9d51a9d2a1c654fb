/** Prints the steps on standard output, and the registry's log on standard error. */
import { Console, HashMap, Logger, Option } from "effect"

export const say = (step: string, text: string) => Console.log(`${step.padEnd(8)} ${text}`)

/** Logs one short line for each operation: `  log PushBlob team/hello sha256:6b0a… Success 3 ms`. */
const short = Logger.make(({ annotations, message }) => {
  const value = (name: string) =>
    Option.match(HashMap.get(annotations, name), {
      onNone: () => "",
      onSome: (found) => typeof found === "string" || typeof found === "number" ? String(found) : ""
    })
  const reference = value("reference").replace(/^(\w+:\w{12})\w+$/, "$1…")
  const parts = [message, value("repository"), reference, value("outcome"), value("error"), value("errorMessage")]
  const duration = value("durationMillis")
  const suffix = duration === "" ? "" : ` (${duration} ms)`
  console.error(`  log    ${parts.flat().filter((part) => part !== "").join(" ")}${suffix}`)
})

export const logger = Logger.replace(Logger.defaultLogger, short)
