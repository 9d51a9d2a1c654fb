#!/usr/bin/env node
import { main } from "./NodeCreate.js"

process.exitCode = await main(process.argv.slice(2))
