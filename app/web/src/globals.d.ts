/** Address of the folder that pdf.js reads its fonts, character maps and decoders from. */
declare const PDF_FILES: string;
