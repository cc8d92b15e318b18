"""The text side of EchoCLIP-R: whole reports as rows of ids, and back.

EchoCLIP-R knows echo reports as the phrases that its centre's reporting system offers. A phrase of the vocabulary has
a placeholder wherever a number or a severity stood; one id stands for the phrase, a few more for its values. A whole
report so fits into 77 ids. What is no phrase of the vocabulary is dropped, and its values with it: the model
never saw anything else.

    cleaning    a report's text in the spelling that the vocabulary has
    variables   numbers and severities out of the text, placeholders in
    rules       full stops and spellings that the published code repairs sentence by sentence
    vocabulary  the operator's copy of the published files, in the model pack
    tokenizer   all of it together, and the way back

Follows the code published with Christensen et al., Nature Medicine 2024. Its vocabulary and its sentences may not be
passed on: none of them is here, and each operator brings a copy.
"""
